"""Published corpora become manifests; a labelled manifest becomes a corpus."""

import dataclasses
import json
import re
import shutil
from itertools import groupby
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import read, samples_of, written

from emoboost.corpora import IMPORTERS, CorpusRow, Imported, crema_d, emodb, emovo, iemocap, msp_podcast, ravdess
from emoboost.corpus import Corpus, read_corpus
from emoboost.corpus_facts import CLIPPED_SAMPLES, FULL_SCALE, corpus_facts, longest_run, warnings_of
from emoboost.errors import ManifestError, UsageError
from emoboost.manifest.identifiers import derived_id
from emoboost.vocabulary import ALIASES, canonical
from jobs.corpus import chosen, import_command, show_command
from jobs.exits import Exit


@pytest.fixture
def emodb_folder(clips: list[Path], tmp_path: Path) -> Path:
    """Copies of the example's clips, in two folders."""
    folder = tmp_path / "emo db"
    for number, clip in enumerate(clips[:8]):
        (folder / f"{number % 2}").mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, folder / f"{number % 2}")
    (folder / "README.txt").write_text("not audio")
    return folder


def rows(folder: Path) -> list[CorpusRow]:
    return list(emodb.read(folder).rows)


class TestEmodb:
    def test_every_code(self, emodb_folder: Path) -> None:
        found = {row.utterance_id: row for row in rows(emodb_folder)}
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

    def test_sorted_and_deterministic(self, emodb_folder: Path) -> None:
        paths = [row.path for row in rows(emodb_folder)]
        assert paths == sorted(paths)
        assert rows(emodb_folder) == rows(emodb_folder)

    @pytest.mark.parametrize("name", ["03a01Xa.wav", "3a01Wa.wav", "xxa01Wa.wav", "03a01Wab.wav", "speech.flac"])
    def test_another_name(self, emodb_folder: Path, name: str) -> None:
        (emodb_folder / name).write_bytes(b"")
        with pytest.raises(
            ManifestError, match=rf"{name}: not EMO-DB's form of name \(.* as in 03a01Wa\); move it out"
        ):
            rows(emodb_folder)

    def test_no_recording(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"no \.wav or \.flac file in it; give the folder"):
            rows(tmp_path)

    def test_importers(self, emodb_folder: Path) -> None:
        assert IMPORTERS["emodb"](emodb_folder).rows == rows(emodb_folder)
        assert isinstance(rows(emodb_folder)[0], CorpusRow)

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_the_command_writes_a_manifest_that_trains(
        self, emodb_folder: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / f"m.{kind}"
        assert import_command("emodb", emodb_folder, file) is Exit.COMPLETE
        assert "8 utterances of 8 speakers" in capsys.readouterr().out
        corpus = read_corpus(str(file))
        assert [utterance.utterance_id for utterance in corpus.utterances] == [
            row.utterance_id for row in rows(emodb_folder)
        ]
        assert list(corpus.labels) == [row.label for row in rows(emodb_folder)]
        assert list(corpus.speakers) == [row.speaker for row in rows(emodb_folder)]  # 03 stays 03

    def test_the_command_refuses(self, emodb_folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="timit: no importer for this corpus; there is: emodb, emovo, iemocap"):
            import_command("timit", emodb_folder, tmp_path / "m.csv")
        with pytest.raises(UsageError, match=r"m\.txt: name a file that ends in \.csv or \.parquet"):
            import_command("emodb", emodb_folder, tmp_path / "m.txt")
        with pytest.raises(UsageError, match=r"no/m\.csv: cannot be written"):
            import_command("emodb", emodb_folder, tmp_path / "no/m.csv")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def facts(found: Imported) -> dict[str, tuple[str, ...]]:
    return {row.utterance_id: (row.label, row.original_label, row.speaker, row.text) for row in found.rows}


class TestFileNameCodes:
    def test_emovo(self, tmp_path: Path) -> None:
        touch(tmp_path, "f1/gio-f1-b1.wav", "m3/sor-m3-n5.wav", "m3/._sor-m3-n5.wav")
        assert facts(emovo.read(tmp_path)) == {
            "gio-f1-b1": ("happiness", "gio", "f1", "b1"),
            "sor-m3-n5": ("surprise", "sor", "m3", "n5"),
        }
        touch(tmp_path, "joy-f1-b1.wav")
        with pytest.raises(ManifestError, match=r"joy-f1-b1\.wav: not EMOVO's form of name \(.* as in dis-f1-b1\)"):
            emovo.read(tmp_path)

    def test_ravdess_leaves_songs_out(self, tmp_path: Path) -> None:
        spoken, sung = "03-01-06-01-02-01-12", "03-02-02-01-01-02-03"
        touch(tmp_path, f"Actor_12/{spoken}.wav", f"Actor_03/{sung}.wav")
        found = ravdess.read(tmp_path)
        assert facts(found) == {spoken: ("fear", "06", "12", "02")}
        assert found.dropped == {"song": 1}

    def test_crema_d(self, tmp_path: Path) -> None:
        touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1091_WSI_SAD_HI.wav", "AudioWAV/1076_MTI_NEU_X.wav")
        assert facts(crema_d.read(tmp_path)) == {
            "1001_DFA_ANG_XX": ("anger", "ANG", "1001", "DFA"),
            "1076_MTI_NEU_X": ("neutral", "NEU", "1076", "MTI"),
            "1091_WSI_SAD_HI": ("sadness", "SAD", "1091", "WSI"),
        }

    def test_songs_only(self, tmp_path: Path) -> None:
        touch(tmp_path, "03-02-02-01-01-02-03.wav", "03-02-02-01-01-02-04.wav")
        with pytest.raises(UsageError, match=r"nothing is left to import; left out: 2 \(song\); give a folder"):
            import_command("ravdess", tmp_path, tmp_path / "m.csv")

    def test_ravdess_holds_its_files_twice(self, clips: list[Path], tmp_path: Path) -> None:
        names = ("03-01-06-01-02-01-12", "03-01-05-01-02-01-12")
        for folder in ("Actor_12", "audio_speech_actors_01-24/Actor_12"):
            (tmp_path / folder).mkdir(parents=True)
            for name, clip in zip(names, clips, strict=False):
                shutil.copy(clip, tmp_path / folder / f"{name}.wav")
        found = ravdess.read(tmp_path)
        assert [row.path for row in found.rows] == [str(tmp_path / f"Actor_12/{name}.wav") for name in sorted(names)]
        assert found.dropped == {"copy of a recording that is imported": 2}

    def test_one_name_with_other_audio(self, clips: list[Path], tmp_path: Path) -> None:
        for root in (tmp_path / "here", tmp_path / "there"):
            for folder, clip in zip(("a", "b"), clips, strict=False):
                (root / folder).mkdir(parents=True)
                shutil.copy(clip, root / folder / "1001_DFA_ANG_XX.wav")
        first, second = crema_d.read(tmp_path / "here").rows
        assert first.utterance_id != second.utterance_id
        assert first.utterance_id.startswith("1001_DFA_ANG_XX-")
        assert facts(crema_d.read(tmp_path / "here")) == facts(crema_d.read(tmp_path / "there"))

    def test_links(self, tmp_path: Path) -> None:
        """As git-annex keeps files: links to names that say nothing, in a hidden folder."""
        corpus = touch(tmp_path / "corpus", ".git/annex/objects/MD5E-s0--d41d8.wav", "elsewhere/SHA256-0")
        links = {"f1/gio-f1-b1.wav": ".git/annex/objects/MD5E-s0--d41d8.wav", "m3/sor-m3-n5.wav": "elsewhere/SHA256-0"}
        for name, target in links.items():
            (corpus / name).parent.mkdir()
            (corpus / name).symlink_to(corpus / target)
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked/m3").symlink_to(corpus / "m3")
        assert [row.path for row in emovo.read(corpus).rows] == [str(corpus / name) for name in links]
        assert [row.path for row in emovo.read(tmp_path / "linked").rows] == [str(tmp_path / "linked/m3/sor-m3-n5.wav")]

    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            ManifestError, match=r"none: cannot be listed \(No such file.*\); give the folder that holds"
        ):
            emovo.read(tmp_path / "none")

    @pytest.mark.parametrize("corpus", [emodb, emovo, ravdess, crema_d, iemocap, msp_podcast])
    def test_labels_are_canonical(self, corpus: ModuleType) -> None:
        assert {canonical(label) for label in corpus.EMOTIONS.values()} == set(corpus.EMOTIONS.values())


EVALUATION = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()
C-E4:\tHappiness;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\texc\t[2.5000, 2.5000, 2.5000]
C-F1:\tExcited;\t()

[14.8872 - 18.0175]\tSes01F_impro01_F001\txxx\t[2.5000, 2.5000, 2.5000]
[19.2900 - 20.7875]\tSes01F_impro01_F002\tfru\t[2.5000, 2.5000, 2.5000]
[21.3257 - 24.7400]\tSes01F_impro01_F003\tsad\t[2.3333, 2.0000, 2.0000]
"""


class TestIemocap:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """The published layout with its traps."""
        labels = tmp_path / "Session1/dialog/EmoEvaluation"
        touch(labels, "._Ses01F_impro01.txt", "Attribute/Ses01F_impro01_atr.txt", "Categorical/Ses01F_impro01_cat.txt")
        (labels / "Ses01F_impro01.txt").write_text(EVALUATION)
        (labels / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07" + EVALUATION.encode())
        other = tmp_path / "Session5/dialog/EmoEvaluation"
        other.mkdir(parents=True)
        turn = "[1.0 - 2.0]\tSes05M_script01_1b_F010\tang\t[1.0, 4.5, 4.0]\n"
        (other / "Ses05M_script01_1b.txt").write_text(turn)
        audio = ("F000", "M001", "F001", "F002")  # F003 has none
        touch(tmp_path, *(f"Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav" for turn in audio))
        return touch(tmp_path, "Session5/sentences/wav/Ses05M_script01_1b/Ses05M_script01_1b_F010.wav")

    def test_four_classes(self, folder: Path) -> None:
        found = iemocap.read(folder)
        assert facts(found) == {
            "Ses01F_impro01_F000": ("neutral", "neu", "1F", "impro01"),
            "Ses01F_impro01_M001": ("happiness", "exc", "1M", "impro01"),
            "Ses05M_script01_1b_F010": ("anger", "ang", "5F", "script01_1b"),
        }
        assert [row.session for row in found.rows] == ["1", "1", "5"]
        assert found.dropped == {"label xxx": 1, "label fru": 1, "no audio": 1}
        assert all(Path(row.path).is_file() for row in found.rows)

    def test_another_count_than_the_literatures_is_said(self, folder: Path) -> None:
        assert "anger: 1 utterances, the literature has 1,103" in iemocap.read(folder).notes
        assert sum(iemocap.PUBLISHED.values()) == 5_531

    def test_sessions_and_improvised_speech(self, folder: Path) -> None:
        found = iemocap.read(folder)
        assert [row.speaker for row in chosen(found, "5", None).rows] == ["5F"]
        assert [row.speaker for row in chosen(found, "1,5", "impro*").rows] == ["1F", "1M"]
        with pytest.raises(UsageError, match="--sessions 2: no session '2'; the corpus has 1, 5"):
            chosen(found, "2", None)
        with pytest.raises(UsageError, match=r"--texts x\*: no text of the corpus is like this; it has for example"):
            chosen(found, None, "x*")
        with pytest.raises(UsageError, match=r"--texts impro\*: .* for example 'script01_1b'"):
            chosen(found, "5", "impro*")

    def test_what_is_said_is_about_the_chosen_part(self, folder: Path) -> None:
        found = iemocap.read(folder)
        assert chosen(found, None, None) == found
        assert chosen(found, "1", None).dropped == found.dropped
        part = chosen(found, "5", None)
        assert part.dropped == {}
        assert part.notes == []  # the literature counts all sessions
        assert chosen(found, None, "script*").dropped == {}
        assert chosen(found, None, "impro*").notes == []

    def test_nothing_is_left(self, folder: Path) -> None:
        shutil.rmtree(folder / "Session1/sentences")
        for sessions in ("1", "1,5"):
            shutil.rmtree(folder / "Session5/sentences", ignore_errors=sessions == "1,5")
            with pytest.raises(
                UsageError,
                match=r"nothing is left to import; left out: 1 \(label fru\), 1 \(label xxx\), [34] \(no audio",
            ):
                import_command("iemocap", folder, folder / "m.csv", sessions=sessions)
        assert not (folder / "m.csv").exists()

    def test_another_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match="no label file Session"):
            iemocap.read(tmp_path)


class TestMspPodcast:
    HEADER = "FileName,EmoClass,EmoAct,SpkrID,Gender,Split_Set"

    def folder(self, tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
        touch(tmp_path, "Audios/a.wav", "Audios/b.wav", "Audios/c.wav")
        (tmp_path / "Labels").mkdir(exist_ok=True)
        (tmp_path / "Labels/labels_consensus.csv").write_text("\n".join([header, *lines]) + "\n")
        return tmp_path

    def test_splits_and_what_is_left_out(self, tmp_path: Path) -> None:
        found = msp_podcast.read(
            self.folder(
                tmp_path,
                "a.wav,H,5,12,Male,Train",
                "b.wav,X,3,12,Male,Train",
                "c.wav,O,3,13,Female,Test1",
                "d.wav,N,3,13,Female,Test1",
                "c.wav,C,3,Unknown,Unknown,Development",
            )
        )
        assert [(row.utterance_id, row.label, row.speaker, row.split) for row in found.rows] == [
            ("a", "happiness", "12", "Train"),
            ("c", "contempt", "unknown-c", "Development"),
        ]
        assert found.dropped == {"no agreement (X)": 1, "other (O)": 1, "no audio": 1}

    def test_an_unknown_speaker_is_nobody_else(self, tmp_path: Path) -> None:
        lines = ("a.wav,H,5,Unknown,Male,Train", "b.wav,S,3,,Male,Test1", "c.wav,N,3,13,Female,Test1")
        found = msp_podcast.read(self.folder(tmp_path, *lines))
        assert [row.speaker for row in found.rows] == ["unknown-a", "unknown-b", "13"]
        (note,) = found.notes
        assert note.startswith(
            "2 utterances have no known speaker: each is a speaker of its own, unknown-<utterance id>"
        )

    def test_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"line 2, column 'EmoClass', value 'Z': not one of A, C"):
            msp_podcast.read(self.folder(tmp_path, "a.wav,Z,5,12,Male,Train"))
        with pytest.raises(ManifestError, match="no column 'SpkrID'; found FileName, EmoClass"):
            msp_podcast.read(self.folder(tmp_path, "a.wav,H", header="FileName,EmoClass"))
        (tmp_path / "Labels/labels_consensus.csv").unlink()
        with pytest.raises(ManifestError, match=r"no labels_consensus\.csv in it"):
            msp_podcast.read(tmp_path)


class TestGeneric:
    def test_reads_what_is_there(self, tmp_path: Path) -> None:
        table = tmp_path / "mine.csv"
        table.write_text("path,label,speaker,text,extra\nsub/a.wav,Angry,007,hello,1\n/abs/b.wav,bewundernd,8,,2\n")
        first, second = IMPORTERS["generic"](table).rows
        assert (first.label, first.original_label, first.speaker, first.text) == ("anger", "Angry", "007", "hello")
        assert first.path == str(tmp_path / "sub/a.wav")
        assert (first.channel, first.start, first.end) == (None, 0.0, None)
        assert (second.label, second.path, second.utterance_id) == ("bewundernd", "/abs/b.wav", "b")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("path,label\na.wav,x\n", "no column 'speaker'; found path, label"),
            ("path,label,speaker\na.wav,x,1\nb.wav,,1\n", "row 2 has no label; fill or remove it"),
            ("", "is empty; the first line must name the columns"),
            ("path,label,speaker\n", "has a header but no rows; add a row per utterance"),
            (
                "path,start,end,label,speaker\na.wav,2,1,x,1\n",
                "line 2, column 'end', value '1': leaves nothing to label",
            ),
            ("path,label,speaker\na.wav,x,1\na.wav,y,1\n", "line 3, .* is the same audio as line 2; remove one"),
            ("path,utterance_id,label,speaker\na.wav,1,x,1\nb.wav,1,y,1\n", "line 3, .* is also the id in line 2"),
        ],
    )
    def test_refused(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "mine.csv").write_text(text)
        with pytest.raises(ManifestError, match=message):
            IMPORTERS["generic"](tmp_path / "mine.csv")

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    @pytest.mark.parametrize("header", ["start,end", "offset,duration", "Start,End"])
    def test_spans(self, clips: list[Path], tmp_path: Path, header: str, kind: str) -> None:
        table = tmp_path / "mine.csv"
        second = "1.0" if "duration" in header else "1.5"
        cells = [f"{clips[0]},,,sad,1", f"{clips[0]},0.25,0.75,sad,1", f"{clips[1]},0.5,{second},fear,2"]
        if "duration" in header:
            cells[1] = f"{clips[0]},0.25,0.5,sad,1"
        table.write_text("\n".join([f"path,{header},label,speaker", *cells]) + "\n")
        output = tmp_path / f"m.{kind}"
        assert import_command("generic", table, output) is Exit.COMPLETE
        utterances = read_corpus(str(output)).utterances
        assert [utterance.span for utterance in utterances] == [(0.0, None), (0.25, 0.75), (0.5, 1.5)]
        assert [utterance.length for utterance in utterances] == [2.0, 0.5, 1.0]
        assert len({utterance.utterance_id for utterance in utterances}) == 3
        assert utterances[2].utterance_id == clips[1].stem

    def test_a_channel(self, tmp_path: Path) -> None:
        written(tmp_path / "call.wav", np.zeros((16_000, 2), np.float32))
        table = tmp_path / "mine.csv"
        table.write_text("path,channel,label,speaker\ncall.wav,0,sad,1\ncall.wav,1,fear,2\ncall.wav,mix,fear,3\n")
        assert import_command("generic", table, tmp_path / "m.csv") is Exit.COMPLETE
        assert [utterance.channel for utterance in read_corpus(str(tmp_path / "m.csv")).utterances] == [0, 1, None]

    @pytest.mark.parametrize("span", ["1.0,2.5", "2.5,", "2.5,3.0"])
    def test_a_span_outside_its_recording(self, clips: list[Path], tmp_path: Path, span: str) -> None:
        (tmp_path / "mine.csv").write_text(f"path,start,end,label,speaker\n{clips[0]},{span},sad,1\n")
        with pytest.raises(
            ManifestError, match=rf"{clips[0].name}: the span from .* the recording, which has 2\.00 s; correct start"
        ):
            import_command("generic", tmp_path / "mine.csv", tmp_path / "m.csv")

    def test_one_name_in_two_folders(self, clips: list[Path], tmp_path: Path) -> None:
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            shutil.copy(clips[0], tmp_path / folder / "0.flac")
        shutil.copy(clips[0], tmp_path / "1.flac")
        table = tmp_path / "mine.csv"
        table.write_text("path,label,speaker\na/0.flac,sad,1\nb/0.flac,fear,2\n1.flac,fear,2\n")
        assert import_command("generic", table, tmp_path / "m.csv") is Exit.COMPLETE
        ids = [utterance.utterance_id for utterance in read_corpus(str(tmp_path / "m.csv")).utterances]
        assert ids == [derived_id("a/0.flac", None, 0.0, None), derived_id("b/0.flac", None, 0.0, None), "1"]

    def test_an_id_that_is_given_stays(self, tmp_path: Path) -> None:
        table = tmp_path / "mine.csv"
        table.write_text("path,utterance_id,label,speaker\na.wav,b,sad,1\nb.wav,,fear,2\n")
        first, second = IMPORTERS["generic"](table).rows
        assert (first.utterance_id, second.utterance_id) == ("b", derived_id("b.wav", None, 0.0, None))

    def test_a_link_keeps_its_name(self, tmp_path: Path) -> None:
        touch(tmp_path, "blobs/5fda")
        (tmp_path / "0.wav").symlink_to("blobs/5fda")
        (tmp_path / "mine.csv").write_text("path,label,speaker\n0.wav,sad,1\n")
        (row,) = IMPORTERS["generic"](tmp_path / "mine.csv").rows
        assert (row.utterance_id, row.path) == ("0", str(tmp_path / "0.wav"))

    def test_labels_of_no_emotion_are_named(
        self, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        labels = ("Sad", "bewundernd", "bewundernd", "angri")
        lines = [f"{clip},{label},1" for clip, label in zip(clips, labels, strict=False)]
        (tmp_path / "mine.csv").write_text("\n".join(["path,label,speaker", *lines]) + "\n")
        assert import_command("generic", tmp_path / "mine.csv", tmp_path / "m.csv") is Exit.COMPLETE
        said = capsys.readouterr().err
        assert (
            "note: no emotion's name: angri (1), bewundernd (2); evaluate and train refuse such labels unless" in said
        )


class TestFacts:
    @pytest.fixture
    def corpus(self, clips: list[Path], tmp_path: Path) -> Corpus:
        """Six recordings, each with something of its own."""
        speech = samples_of(clips[0])
        written(tmp_path / "plain.wav", speech[:20_000])
        shutil.copy(tmp_path / "plain.wav", tmp_path / "same.wav")
        written(tmp_path / "clipped.wav", np.clip(speech * 50, -1, 1))
        written(tmp_path / "silent.wav", np.zeros(16_000, np.float32))
        written(tmp_path / "padded.wav", np.pad(speech[:10_000], (0, 4_000)))
        rows = [
            *("plain,anger,1", "same,anger,1", "clipped,fear,1", "silent,fear,2", "padded,fear,2", "gone,fear,3"),
        ]
        lines = [f"{name}.wav,{rest}" for name, _, rest in (row.partition(",") for row in rows)]
        (tmp_path / "m.csv").write_text("path,label,speaker\n" + "\n".join(lines) + "\n")
        return read_corpus(str(tmp_path / "m.csv"))

    def test_what_is_suspicious(self, corpus: Corpus) -> None:
        found = corpus_facts(corpus)
        name = {u.uri.removesuffix(".wav"): u.utterance_id for u in corpus.utterances}
        assert found.counts == {"anger": {"1": 2}, "fear": {"1": 1, "2": 2, "3": 1}}
        assert found.duplicates == [[name["plain"], name["same"]]]
        assert found.clipped == [name["clipped"]]
        assert found.silent == [name["silent"]]
        assert name["padded"] in found.padded
        assert list(found.unreadable) == [name["gone"]]
        assert found.constant_seconds is None
        lines = warnings_of(found, corpus.speakers)
        for line in (
            f"1 groups of equal audio, for example {name['plain']}, {name['same']}",
            "class anger has one speaker only (1)",
            "speaker 2 has one class only (fear)",
        ):
            assert line in lines

    def test_the_two_second_copy_is_noticed(self, emodb_folder: Path, tmp_path: Path) -> None:
        assert import_command("emodb", emodb_folder, tmp_path / "m.csv") is Exit.COMPLETE
        found = corpus_facts(read_corpus(str(tmp_path / "m.csv")))
        np.testing.assert_array_equal(found.seconds, 2.0)
        twice = dataclasses.replace(found, seconds=np.tile(found.seconds, 2))
        assert twice.constant_seconds == 2.0
        assert any(line.startswith("all recordings last 2 s") for line in warnings_of(twice, []))

    def test_clipping_is_looked_for_before_resampling(self, tmp_path: Path) -> None:
        time = np.arange(44_100) / 44_100
        clipped = np.clip(2 * np.sin(2 * np.pi * 3_000 * time), -1, 1).astype(np.float32)
        written(tmp_path / "a.wav", clipped, 44_100)
        written(tmp_path / "b.wav", clipped * 0.5, 44_100)
        (tmp_path / "m.csv").write_text("path,label,speaker\na.wav,anger,1\nb.wav,fear,2\n")
        corpus = read_corpus(str(tmp_path / "m.csv"))
        assert longest_run(np.abs(read(tmp_path / "a.wav")) >= FULL_SCALE) < CLIPPED_SAMPLES  # at 16 kHz
        found = corpus_facts(corpus)
        assert found.clipped == [corpus.utterances[0].utterance_id]
        np.testing.assert_array_equal(found.seconds, 1.0)

    def test_many_speakers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lines = []
        for number in range(40):
            written(tmp_path / f"{number}.wav", np.full(1_600, (number + 1) / 50, np.float32))
            lines.append(f"{number}.wav,{'fear' if number % 2 else 'anger'},s{number:02}")
        (tmp_path / "m.csv").write_text("\n".join(["path,label,speaker", *lines]) + "\n")
        assert show_command(str(tmp_path / "m.csv"), as_json=False) is Exit.COMPLETE
        text = capsys.readouterr().out
        assert re.search(r"^fear +20$", text, re.MULTILINE)
        assert "warning: 40 speakers have one class only; the first: speaker s00 has one class only (anger)" in text

    @given(st.lists(st.booleans(), max_size=30))
    def test_longest_run(self, flags: list[bool]) -> None:
        expected = max((len(list(group)) for value, group in groupby(flags) if value), default=0)
        assert longest_run(np.array(flags, bool)) == expected

    def test_show(self, corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
        assert show_command(corpus.manifest, as_json=False) is Exit.COMPLETE
        text = capsys.readouterr().out
        assert re.search(r"^fear +1 +2 +1 +4$", text, re.MULTILINE)
        assert "warning: 1 cannot be read, for example" in text
        assert show_command(corpus.manifest, as_json=True) is Exit.COMPLETE
        assert json.loads(capsys.readouterr().out)["counts"]["fear"] == {"1": 1, "2": 2, "3": 1}

    def test_show_one_speaker(self, clips: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "m.csv").write_text(f"path,label,speaker\n{clips[0]},sad,me\n{clips[1]},fear,me\n")
        assert show_command(str(tmp_path / "m.csv"), as_json=False) is Exit.COMPLETE
        text = capsys.readouterr().out
        assert re.search(r"^sadness +1 +1$", text, re.MULTILINE)
        assert "warning: only one speaker (me); evaluate and train need at least two" in text


class TestReadCorpus:
    def read(self, folder: Path, *lines: str, header: str = "path,label,speaker") -> Corpus:
        (folder / "m.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return read_corpus(str(folder / "m.csv"), to_train=False)

    def test_canonical_labels_in_the_manifests_order(self, tmp_path: Path) -> None:
        corpus = self.read(tmp_path, "b.wav,Happy ,1", "a.wav,neu,2", "c.wav,ANGRY,1", "d.wav,bewundernd,Ö")
        assert corpus.labels == ["happiness", "neutral", "anger", "bewundernd"]
        assert list(corpus.speakers) == ["1", "2", "1", "Ö"]
        assert [utterance.uri for utterance in corpus.utterances] == ["b.wav", "a.wav", "c.wav", "d.wav"]
        assert corpus.classes == ("anger", "bewundernd", "happiness", "neutral")
        np.testing.assert_array_equal(corpus.class_numbers(corpus.classes), [2, 3, 0, 1])
        assert corpus.base == str(tmp_path)

    def test_a_name_of_no_emotion_is_asked_about(self, tmp_path: Path) -> None:
        self.read(tmp_path, "a.wav,angri,1", "b.wav,sad,2")
        with pytest.raises(ManifestError, match=r"m\.csv: row 1: label 'angri' is not the name of an emotion, perhaps"):
            read_corpus(str(tmp_path / "m.csv"))

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
        assert self.read(tmp_path, "a.wav,anger,1", "b.wav,Angry,2").classes == ("anger",)
        with pytest.raises(ManifestError, match=r"only one label \('anger'\); training needs at least two"):
            read_corpus(str(tmp_path / "m.csv"))
        assert list(self.read(tmp_path, "a.wav,anger,1", "b.wav,sad,1").speakers) == ["1", "1"]
        with pytest.raises(ManifestError, match=r"only one speaker \('1'\)"):
            read_corpus(str(tmp_path / "m.csv"))

    def test_no_row(self, tmp_path: Path) -> None:
        with pytest.raises(ManifestError, match=r"m\.csv"):
            self.read(tmp_path)


def test_aliases_lead_to_names_that_stay() -> None:
    for alias, name in ALIASES.items():
        assert canonical(alias.upper()) == name == canonical(name)
