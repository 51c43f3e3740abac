"""Every test prediction as a table, so that any figure of a report can be counted again."""

import numpy as np
import pyarrow as pa

from emoboost.evaluation import Evaluation
from emoboost.report.figures import FORMAT, headline_of
from emoboost.schema import predictions_schema


def predictions_table(evaluation: Evaluation) -> pa.Table:
    """One row for each tested utterance and seed of the first variant, seed by seed, in the corpus's order.

    The columns are those of `schema.predictions_schema`; the schema's metadata tells corpus, protocol, variant and
    whether the protocol is leaky.
    """
    title = headline_of(evaluation)
    metadata = {
        "emoboost.report": FORMAT,
        "emoboost.corpus": evaluation.corpus,
        "emoboost.manifest": evaluation.manifest_hash,
        "emoboost.protocol": evaluation.protocol,
        "emoboost.leaky": "true" if evaluation.leaky else "false",
        "emoboost.variant": title,
    }
    schema = predictions_schema(evaluation.classes).with_metadata(metadata)
    classes, ids, folds = (
        np.array(names, dtype=object) for names in (evaluation.classes, evaluation.utterance_ids, evaluation.folds)
    )
    tables = []
    for run in evaluation.variants[title]:
        columns = [
            ids[run.tested],
            folds[run.fold],
            np.full(len(run.tested), run.seed),
            classes[run.shares.argmax(axis=1)],
            *run.shares.T,
            classes[evaluation.truth[run.tested]],
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        tables.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(tables)
