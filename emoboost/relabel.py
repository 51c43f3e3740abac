"""Labels of stored vectors: by another classifier, adapted to the speakers, corrected for another mix of classes.

An utterance's scores are, as in annotation, the mean over its segments (paper, Input); a speaker's offset is taken from
every segment of his.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emoboost.classifier import Classifier
from emoboost.embeddings import ShardVectors
from emoboost.priors import corrected
from emoboost.schema import labels_schema, probability_column
from emoboost.segment_means import consecutive_means
from emoboost.voices import Voices


@dataclass(frozen=True)
class Relabelling:
    """How vectors become labels."""

    classifier: Classifier
    voices: Voices | None = None
    """None: nobody is adapted."""
    trained_on: np.ndarray | None = None
    """(classes,) the mix of classes that the classifier's scores belong to."""
    prior: np.ndarray | None = None
    """(classes,) the mix to correct for; None leaves the scores as they are."""

    @property
    def gives_its_own_scores(self) -> bool:
        """Whether no score is another than the classifier's."""
        is_same_mix = self.prior is None or self.trained_on is None or np.allclose(self.prior, self.trained_on)
        return self.voices is None and is_same_mix

    def plain(self, vectors: ShardVectors) -> np.ndarray:
        """(n, classes) float64: the scores of the rows of a shard."""
        classifier = self.classifier
        if not len(vectors.rows):
            return np.zeros((0, len(classifier.config.classes)))
        return consecutive_means(classifier.probabilities(classifier.logits(vectors.segments)), vectors.counts)

    def adapted(self, plain: np.ndarray, vectors: ShardVectors, speakers: Sequence[str | None]) -> np.ndarray:
        """The same, adapted where the voices say so.

        Args:
            plain: (n, classes) as `plain` gives them.
            vectors: n rows of a shard.
            speakers: (n,) who speaks.
        """
        if self.voices is None or not len(vectors.rows):
            return plain
        head = self.classifier.adapted
        assert head is not None
        nothing = np.zeros(head.weights.shape[1])
        offsets = [nothing if name is None else self.voices.offsets.get(name, nothing) for name in speakers]
        without = vectors.segments - np.repeat(np.array(offsets).reshape(-1, len(nothing)), vectors.counts, axis=0)
        found = consecutive_means(self.classifier.probabilities(head.logits(without)), vectors.counts)
        is_adapted = [self.voices.reason(name) is None for name in speakers]
        shares: np.ndarray = np.where(np.array(is_adapted, bool)[:, None], found, plain)
        return shares

    def in_prior(self, shares: np.ndarray) -> np.ndarray:
        """(n, classes) -> (n, classes), corrected for the prior."""
        if self.prior is None or self.trained_on is None:
            return shares
        return corrected(shares, self.trained_on, self.prior)

    def table(
        self,
        part: pa.Table,
        vectors: ShardVectors,
        speakers: Sequence[str | None],
        carried: pa.Schema,
        metadata: Mapping[str, str],
    ) -> pa.Table:
        """The new rows of a part; what concerns the audio, and rows with an error, stay.

        Args:
            part: the rows as annotation made them, with the classes of its model.
            vectors: of those that are labelled.
            speakers: (rows of the part,) who speaks.
            carried: the manifest's own columns.
            metadata: facts about the run, stored in the schema.
        """
        classes = self.classifier.config.classes
        heard = [speakers[row] for row in vectors.rows]
        plain = self.plain(vectors)
        # As they are stored, so that the confidence is one of them.
        old = plain.astype(np.float32)
        new = self.in_prior(self.adapted(plain, vectors, heard)).astype(np.float32)
        best = new.argmax(axis=1)
        reasons = [None if self.voices is None else self.voices.reason(name) for name in heard]
        named, rows = np.array(classes, object), len(part)

        def spread(values: Any, kind: pa.DataType) -> pa.Array:
            """A value for each labelled row, null for the others."""
            whole = np.full(rows, None, object)
            whole[vectors.rows] = values
            return pa.array(whole.tolist(), kind)

        values = {probability_column(name): spread(new[:, at], pa.float32()) for at, name in enumerate(classes)}
        values |= {
            "label": spread(named[best], pa.string()),
            "confidence": spread(new[np.arange(len(best)), best], pa.float32()),
            "plain_label": spread(named[old.argmax(axis=1)], pa.string()),
            "plain_confidence": spread(old.max(axis=1, initial=0.0), pa.float32()),
            "adapted": spread([self.voices is not None and reason is None for reason in reasons], pa.bool_()),
            "adapt_reason": spread([reason and reason.value for reason in reasons], pa.string()),
        }
        schema = labels_schema(classes, carried, relabelled=True).with_metadata(dict(metadata))
        columns = [values[field.name] if field.name in values else part[field.name] for field in schema]
        return pa.Table.from_arrays(columns, schema=schema)
