"""One way of predicting a corpus's labels beside another, as cells of a table."""

import numpy as np

from emoboost.corpus import Corpus
from emoboost.metrics import Estimate, paired_bootstrap, speaker_bootstrap


def compared(corpus: Corpus, predicted: np.ndarray, reference: np.ndarray) -> str:
    """UA | its 95 % interval | difference of UA from the reference, with its interval; percent, over speakers.

    Args:
        corpus: with true labels and speakers.
        predicted: (utterances,) or (seeds, utterances) class numbers.
        reference: likewise, of what it is compared with.
    """
    ua = speaker_bootstrap(corpus.class_numbers(corpus.classes), predicted, corpus.speakers, len(corpus.classes))["ua"]
    low, high = _ends(ua)
    return f"{100 * ua.value:.1f} | {low:.1f} to {high:.1f} | {difference(corpus, predicted, reference)}"


def difference(corpus: Corpus, predicted: np.ndarray, reference: np.ndarray) -> str:
    """Of UA from the reference with its 95 % interval: as in `compared`."""
    truth, classes = corpus.class_numbers(corpus.classes), len(corpus.classes)
    gain = paired_bootstrap(truth, reference, predicted, corpus.speakers, classes)["ua"]
    least, most = _ends(gain)
    return f"{100 * gain.value:+.1f} ({least:.1f} to {most:.1f})"


def _ends(estimate: Estimate) -> tuple[float, float]:
    low, high = estimate.interval or (float("nan"), float("nan"))
    return 100 * low, 100 * high
