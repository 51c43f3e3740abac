"""Reading recordings in a process of their own, so that whatever one of them does becomes its row.

A crash of the decoder, a decoder that never returns, memory without end and an exception that nobody foresaw are told
from each other; a crash is believed when it has happened twice.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from emoboost.access import Access
from emoboost.audio import probe
from emoboost.child import Child, ChildEndedError
from emoboost.errors import AudioError, AudioErrorType, StorageStop
from emoboost.places import is_url, local_path
from emoboost.prepare import Preparation, Prepared
from emoboost.schema import Outcome
from emoboost.store_options import CONNECT_SECONDS, READ_SECONDS
from emoboost.utterance import Utterance

HEADER_SECONDS = 20.0
"""Seconds that one call for headers may take."""
HEADERS = 256
"""Recordings whose headers are read in one call, by several threads: the time goes into waiting for the disk."""
THREADS = 8


def seconds_for(locations: Iterable[str], seconds: float, access: Access) -> float:
    """The time that reading any one of these may take: `seconds`, and what a store may take to answer on top of it.

    So a store that cannot be reached is found to be so, rather than a recording that takes long.

    Args:
        locations: as `audio.resolve` gives them.
        seconds: for reading without waiting.
        access: how long a store is asked again.
    """
    is_remote = any(local_path(location) is None for location in locations)
    return seconds + (access.retry_seconds + CONNECT_SECONDS + READ_SECONDS if is_remote else 0.0)


def prepared_alone(preparation: Preparation, utterance: Utterance, child: Child) -> Prepared:
    """An utterance's segments; or none and the reason why not.

    Args:
        preparation: how to read it.
        utterance: what to read.
        child: where.

    Raises:
        StorageStop: the store says that the set-up is wrong.
        ChildProcessError: no child could be started.
    """
    failure = _attempt(preparation, utterance, child)
    if isinstance(failure, ChildEndedError) and failure.type is not AudioErrorType.TIMEOUT:
        failure = _attempt(preparation, utterance, child)
    if isinstance(failure, Prepared):
        return failure
    nothing = preparation([])
    outcome = Outcome(error_type=failure.type, error_message=f"{utterance.uri}: {failure.found}")
    return Prepared((outcome,), nothing.inputs, nothing.valid, nothing.starts)


def _attempt(preparation: Preparation, utterance: Utterance, child: Child) -> Prepared | ChildEndedError:
    try:
        return child.ask(preparation, [utterance])
    except ChildEndedError as ended:
        return ended
    except (StorageStop, ChildProcessError):
        raise
    except MemoryError:
        return ChildEndedError(AudioErrorType.OUT_OF_MEMORY, "reading it takes more memory than a worker may have")
    except Exception as error:
        return ChildEndedError(AudioErrorType.INTERNAL, f"an error of this program, {type(error).__name__}: {error}")


def durations(locations: Sequence[str], access: Access, child: Child) -> list[float | None]:
    """Seconds of local recordings by their headers; None where that cannot be told or costs a request to a store.

    Args:
        locations: as `audio.resolve` gives them.
        access: how recordings may be reached.
        child: where; a header that ends it has no length.
    """
    found: list[float | None] = []
    for first in range(0, len(locations), HEADERS):
        some = locations[first : first + HEADERS]
        found += _durations(some, access, child) or [
            alone for location in some for alone in _durations([location], access, child) or [None]
        ]
    return found


def _durations(locations: Sequence[str], access: Access, child: Child) -> list[float | None]:
    """The same in one call; nothing when one of them ends the child, or nobody foresaw it."""
    try:
        return child.ask(read_durations, locations, access)
    except (StorageStop, ChildProcessError):
        raise
    except Exception:
        return []


def read_durations(locations: Sequence[str], access: Access) -> list[float | None]:
    """The same in this process."""

    def duration_of(location: str) -> float | None:
        if is_url(location):
            return None
        try:
            return probe(location, access).duration
        except AudioError:
            return None

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(duration_of, locations))
