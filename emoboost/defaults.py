"""What a user gets who chooses nothing."""

DEFAULT_MODEL = "whisper-base-emodb"
"""A bundled model."""
MAX_SECONDS = 3_600.0
"""A longer utterance becomes an error row `too_long`."""
