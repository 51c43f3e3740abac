"""Whether the parts are those that were checked, or what retries made of them."""

from emoboost.ledger import Ledger
from emoboost.origin import Origin, Origins
from emoboost.record import RECORD
from emoboost.verify.findings import Findings

FOREIGN = (
    "is not the part that was checked: somebody has edited it. Put back the one that was, or delete this one, and "
    f"annotate makes it again; or, to keep what is there, delete {RECORD}"
)


class OriginCheck:
    """Takes the hashes of the parts one after the other."""

    def __init__(self, ledger: Ledger, findings: Findings) -> None:
        self._ledger = ledger
        self._findings = findings
        self._origins = Origins(ledger)
        self.edited: set[int] = set()
        """Shards in whose part nothing else is wrong."""
        self.outdated: list[int] = []
        """Shards of which a retry made a newer part, and was ended before it put that in its place."""

    def see(self, shard: int, sha256: str, *, wrong: bool) -> None:
        """Check the part of a shard; `wrong` says whether something else was found in it."""
        origin = self._origins.of(shard, sha256)
        if origin is Origin.OUTDATED:
            self.outdated.append(shard)
        if origin is Origin.FOREIGN and not wrong:
            self.edited.add(shard)
            self._findings.add(self._ledger.part_name(shard), FOREIGN, shard)

    def finish(self) -> None:
        """Once every part was seen."""
        if self.outdated:
            self._findings.leave(f"{len(self.outdated):,} parts were mended by a retry that did not finish")

    @property
    def recorded_sha256(self) -> str:
        """`Summary.parts_sha256` of the parts that were checked last."""
        return self._origins.recorded_sha256
