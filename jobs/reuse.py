"""`annotate --reuse`: rows that an older output has already."""

from emoboost.access import Access
from emoboost.ahead import ahead
from emoboost.embeddings import OPTION as EMBEDDINGS_OPTION
from emoboost.embeddings import Embeddings, embeddings_table, keep_embeddings
from emoboost.ledger import METADATA_PREFIX, Ledger
from emoboost.reuse import OldRows
from emoboost.schema import FORMAT_VERSION
from jobs.console import say
from jobs.progress import NowAndThen


def reuse(ledger: Ledger, old: Ledger, access: Access) -> None:
    """Publish the shards of which an older output has every row, and keep the rows of others for their turn.

    Args:
        ledger: the new output.
        old: the older one, made with the same options.
        access: how recordings may be reached, to see whether they have changed.
    """
    missing = ledger.missing()
    if not missing:
        return
    rows = OldRows.read(old, ledger.plan.base, access)
    told, reused = NowAndThen(), 0
    options = ledger.plan.options
    facts = {"format": FORMAT_VERSION, "plan": ledger.plan.hash, "device": "reused"}
    facts |= {name: str(options[name]) for name in ("model", "precision")}
    embeddings = Embeddings.of(old) if EMBEDDINGS_OPTION in options else None
    if embeddings is not None:
        facts["encoder"] = str(options[EMBEDDINGS_OPTION])
    metadata = {METADATA_PREFIX + name: value for name, value in facts.items()}
    for done, (shard, planned) in enumerate(ahead(lambda shard: (shard, ledger.shard_table(shard)), missing), 1):
        taken = rows.rows_for(planned)
        found = taken.table
        reused += len(found)
        if embeddings is not None and (vectors := rows.vectors_for(taken, embeddings)):
            width = vectors[0].segments.shape[1]
            keep_embeddings(ledger, shard, embeddings_table(vectors, width, metadata))
        if len(found) == len(planned):
            ledger.commit(shard, found.replace_schema_metadata(metadata))
        elif len(found):
            ledger.keep(shard, found)
        told(f"reusing: {reused:,} rows of {done:,} of {len(missing):,} shards")
    say(f"Reused {reused:,} rows of {old.folder.display}")
