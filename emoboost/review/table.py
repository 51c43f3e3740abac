"""A sample as a table: for programs, and for people who want to see what the model said."""

import csv
import io
from pathlib import Path

from emoboost.atomic import write_whole
from emoboost.errors import OutputError
from emoboost.formulas import guarded
from emoboost.ledger import Ledger
from emoboost.review.draw import Draw

COLUMNS = ("utterance_id", "uri", "channel", "start", "end", "label", "confidence", "band", "weight")


def write_table(draw: Draw, ledger: Ledger, destination: Path) -> int:
    """Write the sample as CSV, in the plan's order; returns the number of rows.

    `channel`, `start` and `end` are the plan's: empty is the mean of all channels, and the recording's end. `band`
    counts the bands of confidence of the row's label from 1, and `weight` is how many rows of the output it stands for.

    Args:
        draw: the sample.
        ledger: the output that it is from.
        destination: the file; what is there is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, drawn in draw.sampled:
        stratum, utterance = draw.strata[number], drawn.utterance(ledger)
        where = (utterance.channel, utterance.start, utterance.end)
        said = (guarded(stratum.label), drawn.confidence, stratum.band, stratum.rows / draw.quotas[number])
        writer.writerow([guarded(drawn.utterance_id), guarded(utterance.uri), *where, *said])
    try:
        write_whole(destination, text.getvalue().encode())
    except OSError as error:
        raise OutputError(f"{destination}: cannot be written ({error.strerror or error}); name another file") from error
    return sum(draw.quotas)
