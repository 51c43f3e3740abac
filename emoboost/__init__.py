"""Emotion labels for speech: what an utterance is and how it gets its label.

>>> from emoboost import load_model
>>> load_model("whisper-base-emodb").predict("examples/audio/emodb/03a01Wa.flac").label
'anger'
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emoboost.predict import EmotionModel, Prediction, load_model

__version__ = "0.1.0"
__all__ = ["EmotionModel", "Prediction", "__version__", "load_model"]


def __getattr__(name: str) -> Any:
    """Import the heavy part of the package when it is asked for."""
    if name in __all__:
        from emoboost import predict

        return getattr(predict, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
