"""Whether every labelled row has its vector, in an output that keeps them."""

from emoboost.embeddings import OPTION, READ, Embeddings, ShardVectors
from emoboost.errors import OutputError
from emoboost.ledger import Ledger, Part
from emoboost.verify.findings import Findings, reason_of


class VectorCheck:
    """Takes the parts one after the other; all vectors must have one width."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger = ledger
        self._findings = findings
        self._embeddings = Embeddings.of(ledger) if OPTION in ledger.plan.options else None
        self._width: int | None = None

    def read(self, shard: int, part: Part) -> ShardVectors | OutputError | None:
        """The vectors of a part, or why not; may be called from threads.

        None where none are kept, or the part lacks the columns for it, which is another finding.
        """
        if self._embeddings is None or not set(READ) <= set(part.table.column_names):
            return None
        try:
            return self._embeddings.vectors(shard, part.table)
        except OutputError as error:
            return error

    def see(self, shard: int, vectors: ShardVectors | OutputError | None) -> None:
        """Check what was read of a part."""
        name = self._ledger.part_name(shard)
        if isinstance(vectors, OutputError):
            self._findings.add(name, reason_of(vectors, self._ledger, name), shard)
        elif vectors is not None and len(vectors.rows):
            width = vectors.segments.shape[1]
            self._width = self._width or width
            if width != self._width:
                self._findings.add(name, f"its vectors have {width} channels, others have {self._width}", shard)
