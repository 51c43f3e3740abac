"""From a segment's samples to what the model reads: MFCC, log spectrogram, and log-mel or waveform.

Only numpy and scipy are needed once a `FeatureExtractor` exists; librosa builds its filter banks.
"""

from emoboost.features.extractor import FeatureExtractor

__all__ = ["FeatureExtractor"]
