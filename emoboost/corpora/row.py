"""What every importer gives."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusRow:
    """One labelled utterance of a published corpus."""

    path: str
    """Absolute."""
    utterance_id: str
    label: str
    """In the canonical vocabulary."""
    speaker: str
    text: str
    """Which sentence is spoken."""
