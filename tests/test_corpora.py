"""Published corpora become manifests; a labelled manifest becomes a corpus."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from emoboost.corpora import IMPORTERS, CorpusRow
from emoboost.corpora.emodb import EMOTIONS, rows
from emoboost.corpus import Corpus, read_corpus
from emoboost.errors import ManifestError, UsageError
from emoboost.vocabulary import ALIASES, canonical
from jobs.corpus import import_command
from jobs.exits import Exit


@pytest.fixture
def emodb(clips: list[Path], tmp_path: Path) -> Path:
    """Copies of the example's clips, in two folders."""
    folder = tmp_path / "emo db"
    for number, clip in enumerate(clips[:8]):
        (folder / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / f"{number % 2}")
    (folder / "README.txt").write_text("not audio")
    return folder


class TestEmodb:
    def test_every_code(self, emodb: Path) -> None:
        found = {row.utterance_id: row for row in rows(emodb)}
        assert {name: (row.label, row.speaker, row.text) for name, row in found.items()} == {
            "03a01Wa": ("anger", "03", "a01"),
            "08a02La": ("boredom", "08", "a02"),
            "09a02Eb": ("disgust", "09", "a02"),
            "10a07Aa": ("fear", "10", "a07"),
            "11a04Fd": ("happiness", "11", "a04"),
            "13a01Nb": ("neutral", "13", "a01"),
            "14a07Tc": ("sadness", "14", "a07"),
            "16a04Fa": ("happiness", "16", "a04"),
        }
        assert all(Path(row.path).is_absolute() and Path(row.path).is_file() for row in found.values())

    def test_sorted_and_deterministic(self, emodb: Path) -> None:
        paths = [row.path for row in rows(emodb)]
        assert paths == sorted(paths)
        assert rows(emodb) == rows(emodb)

    def test_labels_are_canonical(self) -> None:
        assert {canonical(label) for label in EMOTIONS.values()} == set(EMOTIONS.values())

    @pytest.mark.parametrize("name", ["03a01Xa.wav", "3a01Wa.wav", "xxa01Wa.wav", "03a01Wab.wav", "speech.flac"])
    def test_another_name(self, emodb: Path, name: str) -> None:
        (emodb / name).write_bytes(b"")
        with pytest.raises(ManifestError, match=rf"{name}: not an EMO-DB name .* as in 03a01Wa\); move it out"):
            rows(emodb)

    def test_no_recording(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"no \.wav or \.flac file in it; give the folder"):
            rows(tmp_path)

    def test_importers(self, emodb: Path) -> None:
        assert IMPORTERS["emodb"](emodb) == rows(emodb)
        assert isinstance(rows(emodb)[0], CorpusRow)

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_the_command_writes_a_manifest_that_trains(
        self, emodb: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / f"m.{kind}"
        assert import_command("emodb", emodb, file) is Exit.COMPLETE
        assert "8 utterances of 8 speakers" in capsys.readouterr().out
        corpus = read_corpus(str(file))
        assert [utterance.utterance_id for utterance in corpus.utterances] == [row.utterance_id for row in rows(emodb)]
        assert list(corpus.labels) == [row.label for row in rows(emodb)]
        assert list(corpus.speakers) == [row.speaker for row in rows(emodb)]  # 03 stays 03

    def test_the_command_refuses(self, emodb: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="ravdess: no importer for this corpus; there is: emodb"):
            import_command("ravdess", emodb, tmp_path / "m.csv")
        with pytest.raises(UsageError, match=r"m\.txt: name a file that ends in \.csv or \.parquet"):
            import_command("emodb", emodb, tmp_path / "m.txt")
        with pytest.raises(UsageError, match=r"no/m\.csv: cannot be written"):
            import_command("emodb", emodb, tmp_path / "no/m.csv")


class TestReadCorpus:
    def read(self, folder: Path, *lines: str, header: str = "path,label,speaker") -> Corpus:
        (folder / "m.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return read_corpus(str(folder / "m.csv"))

    def test_canonical_labels_in_the_manifests_order(self, tmp_path: Path) -> None:
        corpus = self.read(tmp_path, "b.wav,Happy ,1", "a.wav,neu,2", "c.wav,ANGRY,1", "d.wav,bewundernd,Ö")
        assert corpus.labels == ["happiness", "neutral", "anger", "bewundernd"]
        assert list(corpus.speakers) == ["1", "2", "1", "Ö"]
        assert [utterance.uri for utterance in corpus.utterances] == ["b.wav", "a.wav", "c.wav", "d.wav"]
        assert corpus.classes == ("anger", "bewundernd", "happiness", "neutral")
        np.testing.assert_array_equal(corpus.class_numbers(corpus.classes), [2, 3, 0, 1])
        assert corpus.base == str(tmp_path)

    def test_more_than_one_shard(self, tmp_path: Path) -> None:
        corpus = self.read(tmp_path, *(f"{n}.wav,{'sad' if n % 2 else 'fear'},{n % 3}" for n in range(300)))
        assert list(corpus.speakers) == [str(n % 3) for n in range(300)]
        assert [utterance.uri for utterance in corpus.utterances] == [f"{n}.wav" for n in range(300)]

    @pytest.mark.parametrize("column", ["label", "speaker"])
    def test_a_missing_column(self, tmp_path: Path, column: str) -> None:
        header = "path,label,speaker".replace(column, "agent")
        with pytest.raises(ManifestError, match=rf"no column '{column}'; found .*agent.* training needs label and"):
            self.read(tmp_path, "a.wav,x,y", "b.wav,z,w", header=header)

    @pytest.mark.parametrize(
        ("row", "column"), [("b.wav,,2", "label"), ("b.wav, ,2", "label"), ("b.wav,x,", "speaker")]
    )
    def test_an_empty_cell(self, tmp_path: Path, row: str, column: str) -> None:
        with pytest.raises(ManifestError, match=rf"row 2 has no {column} \(1 in all\); fill or remove them"):
            self.read(tmp_path, "a.wav,anger,1", row, "c.wav,fear,2")

    def test_one_class_or_speaker(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"only one label \('anger'\); training needs at least two"):
            self.read(tmp_path, "a.wav,anger,1", "b.wav,Angry,2")
        with pytest.raises(ManifestError, match=r"only one speaker \('1'\)"):
            self.read(tmp_path, "a.wav,anger,1", "b.wav,sad,1")

    def test_no_row(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"m\.csv"):
            self.read(tmp_path)


def test_aliases_lead_to_names_that_stay() -> None:
    for alias, name in ALIASES.items():
        assert canonical(alias.upper()) == name == canonical(name)
