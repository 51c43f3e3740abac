"""A look at a few recordings before any work starts, so that a wrong set-up fails at once and not a million times."""

from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from emoboost.access import Access
from emoboost.audio import correlation_of_channels, probe, resolve
from emoboost.errors import FIXES, AudioError, AudioErrorType, ManifestError, UsageError
from emoboost.printable import printable
from emoboost.utterance import Utterance

LOOKED_AT = 20
RETRY_SECONDS = 5.0
"""How long a store is asked again here: somebody waits for the command to begin."""
TWO_PEOPLE = 0.5
"""Channels less alike than this hold two people rather than one recording in stereo."""


def spread(count: int, of: int = LOOKED_AT) -> list[int]:
    """Up to `of` numbers below `count`, evenly spread, first and last among them.

    >>> spread(5, of=3)
    [0, 2, 4]
    """
    if count <= of:
        return list(range(count))
    return [round(i * (count - 1) / (of - 1)) for i in range(of)]


def check_recordings(
    utterances: Sequence[Utterance],
    base: str,
    access: Access,
    fatal: Collection[AudioErrorType] = frozenset(AudioErrorType),
    share: float = 1.0,
    *,
    channel_chosen: bool,
) -> None:
    """Open the recordings of these utterances.

    Args:
        utterances: a few, spread over the manifest.
        base: folder or URL that relative uris start from.
        access: how recordings may be reached.
        fatal: errors that most must not have.
        share: of the utterances, in (0, 1], that one such error is too many for.
        channel_chosen: the user named a channel, or asked for the mean of all.

    Raises:
        ManifestError: too many cannot be opened for one reason, which is fatal.
        UsageError: a recording has two channels that are nearly uncorrelated, and no channel was named.
        StorageStop: the store of a recording cannot be used.
    """
    quick = replace(access, retry_seconds=min(access.retry_seconds, RETRY_SECONDS))

    def failure_of(utterance: Utterance) -> AudioError | None:
        try:
            header = probe(resolve(utterance.uri, base), quick)
        except AudioError as error:
            return error
        if header.channels == 2 and utterance.channel is None and not channel_chosen:
            _check_channels(utterance, base, quick)
        return None

    # All at once: a store that answers late makes them wait for it together.
    with ThreadPoolExecutor(LOOKED_AT) as threads:
        failures = [failure for failure in threads.map(failure_of, utterances) if failure is not None]
    counts = Counter(failure.type for failure in failures if failure.type in fatal)
    kind, count = next(iter(counts.most_common(1)), (None, 0))
    if kind is not None and count >= share * len(utterances):
        first, fix = next(failure for failure in failures if failure.type is kind), FIXES[kind]
        found = printable(first.message)
        message = found if fix in found else f"{found}\n{fix}"
        which = "none" if count == len(utterances) else f"only {len(utterances) - count}"
        raise ManifestError(
            f"{which} of the {len(utterances)} recordings that were tried can be opened; the first: {message}"
            + ("\nThe job was stopped for this; --stop-at 1 goes on all the same" if share < 1 else "")
        )


def _check_channels(utterance: Utterance, base: str, access: Access) -> None:
    try:
        correlation = correlation_of_channels(resolve(utterance.uri, base), access)
    except AudioError:
        return
    if correlation is not None and correlation < TWO_PEOPLE:
        raise UsageError(
            f"{printable(utterance.uri)}: its two channels have little in common (correlation {correlation:.2f}), "
            "like the two sides of a call; a mean would mix two people.\n"
            "Give --channel 0 or --channel 1, or --channel mix if they belong together"
        )
