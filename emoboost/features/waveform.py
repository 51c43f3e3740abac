"""The input of wav2vec 2.0, HuBERT and WavLM."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emoboost.features.spectrum import Float32

VARIANCE_FLOOR = 1e-7
"""Added to the variance, as transformers' `Wav2Vec2FeatureExtractor` does: silence stays silence."""


@dataclass(frozen=True, kw_only=True)
class Waveform:
    """The segment itself, scaled to zero mean and unit variance where the encoder was trained so.

    Mean and variance are those of the samples before the padding, and the padding stays exactly zero: the same as
    transformers' `Wav2Vec2FeatureExtractor` with padding to the segment's length.
    """

    normalise: bool

    def __call__(self, segments: Float32, valid: NDArray[np.int32]) -> Iterator[Float32]:
        """(n, samples) and the (n,) samples of each before its padding -> n times (samples,)."""
        for segment, length in zip(segments, valid, strict=True):
            if not self.normalise:
                yield segment
                continue
            speech = segment[:length]
            scaled = np.zeros_like(segment)
            scaled[:length] = (speech - speech.mean()) / np.sqrt(speech.var() + VARIANCE_FLOOR)
            yield scaled
