"""What a user gets who chooses nothing."""

DEFAULT_MODEL = "whisper-base-emodb"
"""A bundled model."""
DEFAULT_RECIPE = "robust"
"""Of training; `emoboost.recipe.load_recipe` reads it."""
MAX_SECONDS = 3_600.0
"""A longer utterance becomes an error row `too_long`."""
STOP_AT = 0.5
"""Share of utterances with one storage error, of the first 200 or of any 1,000 in a row, at which a job stops."""
