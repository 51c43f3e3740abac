"""One name for each emotion, whatever a corpus or a manifest calls it."""

ALIASES: dict[str, str] = {
    "angry": "anger",
    "ang": "anger",
    "bored": "boredom",
    "calmness": "calm",
    "disgusted": "disgust",
    "dis": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "anxiety": "fear",
    "fea": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "hap": "happiness",
    "neu": "neutral",
    "sad": "sadness",
    "surprised": "surprise",
    "sur": "surprise",
}

EMOTIONS = frozenset(ALIASES.values()) | {"contempt", "excitement", "frustration", "sarcasm", "other"}
"""Canonical names; a corpus with another one is asked whether it means it."""


def canonical(name: str) -> str:
    """The canonical name of an emotion; an unknown name is returned in lower case.

    >>> canonical(" Happy ")
    'happiness'
    """
    lower = name.strip().lower()
    return ALIASES.get(lower, lower)
