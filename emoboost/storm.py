"""When most recordings fail in the same way the set-up is wrong, and a job had better stop than fill the output."""

from collections import Counter, deque
from collections.abc import Iterable

from emoboost.errors import AudioErrorType

STORAGE_ERRORS = frozenset({AudioErrorType.NOT_FOUND, AudioErrorType.PERMISSION, AudioErrorType.UNREADABLE})
"""What a lost mount, a wrong prefix or a failing store makes of every recording."""
FIRST, IN_A_ROW = 200, 1_000
"""Utterances: the first so many of a run, and any so many in a row."""


class Storm:
    """Counts storage errors of one run as its utterances come."""

    def __init__(self, share: float) -> None:
        """`share` in (0, 1] of failures stops the job; 1 never does."""
        self._share = share
        self._seen = 0
        self._last: deque[AudioErrorType | None] = deque()
        self._counts: Counter[AudioErrorType] = Counter()

    def add(self, errors: Iterable[AudioErrorType | None]) -> tuple[AudioErrorType, int, int] | None:
        """Count the next utterances.

        Args:
            errors: one for each, None for an utterance without an error.

        Returns:
            The error that is too frequent, how often it came, and among how many utterances; None while all is well.
        """
        for error in errors:
            self._seen += 1
            self._take(error if error in STORAGE_ERRORS else None)
            if self._share < 1 and (self._seen == FIRST or len(self._last) == IN_A_ROW):
                kind, count = next(iter(self._counts.most_common(1)), (None, 0))
                if kind is not None and count >= self._share * len(self._last):
                    return kind, count, len(self._last)
        return None

    def _take(self, error: AudioErrorType | None) -> None:
        self._last.append(error)
        if error is not None:
            self._counts[error] += 1
        if len(self._last) > IN_A_ROW:
            gone = self._last.popleft()
            if gone is not None:
                self._counts[gone] -= 1
