"""Most recordings fail alike: the job stops, loses nothing, and goes on when the set-up is mended."""

import csv
import shutil
from pathlib import Path

from chaos.world import CLIPS, Host, rows_of
from emoboost.checkpoint import ModelFolder
from emoboost.ledger import LABELS, STOPPED, SUCCESS
from emoboost.storm import FIRST

UTTERANCES = 600


def test_a_lost_mount(tiny_model: ModelFolder, tmp_path: Path) -> None:
    """Two of three recordings lie on a disk that is not there; spans, so that few files make many utterances."""
    (tmp_path / "here").mkdir()
    shutil.copy(CLIPS[8], tmp_path / "here/a.flac")
    with (tmp_path / "m.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "utterance_id", "start", "end"])
        for number in range(UTTERANCES):
            writer.writerow(["mount/b.flac" if number % 3 else "here/a.flac", f"u{number}", 0, 0.5])
    output = tmp_path / "out"
    with Host(tmp_path, tmp_path / "m.csv", tiny_model.path) as host:
        _, stopped = host.run(output, stop_at=0.5)
        assert stopped is not None
        assert not stopped["complete"]
        assert "of 200 utterances in a row cannot be read: not_found" in stopped["error"], stopped["error"]
        assert f"retry {output} --errors --type not_found" in stopped["error"]
        assert not (output / SUCCESS).exists()
        seen = len(rows_of(output))
        assert FIRST <= seen < UTTERANCES, "it stops early"
        # Started again and again it does not fill the output either.
        _, again = host.run(output, stop_at=0.5)
        assert again is not None
        assert "of the 20 recordings that were tried can be opened; the first: " in again["error"], again["error"]
        assert "--stop-at 1 goes on" in again["error"]
        assert len(rows_of(output)) == seen
        (tmp_path / "mount").mkdir()
        shutil.copy(CLIPS[9], tmp_path / "mount/b.flac")
        _, mended = host.run(output, stop_at=0.5)
        assert mended is not None
        assert mended["complete"], mended["error"]
        assert not (output / STOPPED).exists()
    rows = rows_of(output)
    assert len(rows) == UTTERANCES
    assert rows["status"].to_pylist().count("error") == sum(number % 3 > 0 for number in range(seen))
    assert len(list((output / LABELS).iterdir())) > 1
