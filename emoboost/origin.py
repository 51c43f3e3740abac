"""Where a part comes from, told by its hash: the one that was checked, one that a retry made of it, or another."""

from enum import Enum, auto

from emoboost.files_hash import FilesHash
from emoboost.ledger import Ledger


class Origin(Enum):
    """What a part is."""

    OURS = auto()
    """The one that was checked, the newest that retries made of it, or one of a shard of which none was checked."""
    OUTDATED = auto()
    """A retry has made a newer one, and did not come to put it in its place."""
    FOREIGN = auto()
    """Neither: somebody has edited it."""


class Origins:
    """Judges the parts of an output by what was checked, and by its history as it is now."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._recorded = ledger.recorded()
        self._history = ledger.history.names()

    def of(self, shard: int, sha256: str) -> Origin:
        """What the part of a shard with this hash is."""
        name, history = self._ledger.part_name(shard), self._ledger.history
        checked = self._recorded.get(shard, sha256)
        if sha256 != checked and sha256 not in history.line(name, checked):
            # One that was checked after all, if a slow retry has put an older version over a newer.
            return Origin.OUTDATED if checked in history.line(name, sha256) else Origin.FOREIGN
        return Origin.OUTDATED if history.has_next(name, sha256, self._history) else Origin.OURS

    @property
    def recorded_sha256(self) -> str:
        """`FilesHash` of all parts that were checked, in the order of shards."""
        files = FilesHash()
        for shard, sha256 in sorted(self._recorded.items()):
            files.add(self._ledger.part_name(shard), sha256)
        return files.hex
