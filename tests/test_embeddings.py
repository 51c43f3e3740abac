"""Every labelled row has its vector, whoever computed it, and the vectors give the labels again."""

import dataclasses
import io
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from finished import annotated, copied, label, planned
from hypothesis import given, settings
from hypothesis import strategies as st

from emoboost.access import Access
from emoboost.checkpoint import ModelFolder, load_network
from emoboost.embeddings import (
    EMBEDDINGS,
    OPTION,
    Embeddings,
    RowVectors,
    embeddings_schema,
    embeddings_table,
    keep_embeddings,
)
from emoboost.encoder_identity import encoder_identity
from emoboost.errors import AudioErrorType, OutputError
from emoboost.ledger import Ledger
from emoboost.schema import Status, probability_column
from emoboost.task import Task
from emoboost.verify import Findings, verify
from jobs.finishing import finished
from jobs.reuse import reuse


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    """Twenty rows in three shards, one without a recording, and long ones of several segments."""
    folder = tmp_path_factory.mktemp("embeddings")
    rows = [f"u{number},{clip}" for number, clip in enumerate([*clips[:9], folder / "gone.wav", *clips[:10]])]
    (folder / "m.csv").write_text("\n".join(["utterance_id,path", *rows]) + "\n")
    return folder / "m.csv"


@pytest.fixture(scope="module")
def output(manifest: Path, tiny_model: ModelFolder) -> Path:
    annotated(manifest, manifest.with_name("out"), tiny_model, embeddings=True)
    return manifest.with_name("out")


@pytest.fixture
def ledger(output: Path, tmp_path: Path) -> Ledger:
    return copied(output, tmp_path / "out")


def probabilities(ledger: Ledger, model: ModelFolder, shard: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of the part, and those that the classifier gives for its vectors; a plain loop."""
    part = ledger.read_part(shard)
    vectors = Embeddings.of(ledger).vectors(shard, part)
    classify = load_network(model).head.classify
    weights, biases = (tensor.detach().numpy() for tensor in (classify.weight, classify.bias))
    means = []
    for segments in vectors.parted():
        shares = []
        for segment in segments:
            exponents = np.exp((weights @ segment + biases) / model.config.temperature)
            shares.append(exponents / exponents.sum())
        means.append(np.mean(shares, axis=0))
    columns = [part[probability_column(name)].to_numpy() for name in model.config.classes]
    return np.array(columns).T[vectors.rows], np.array(means)


def test_they_give_the_labels(ledger: Ledger, tiny_model: ModelFolder) -> None:
    several = rows = 0
    for shard in range(ledger.plan.shards):
        there, again = probabilities(ledger, tiny_model, shard)
        assert np.abs(there - again).max() < 2e-3, "float16 has three digits"
        rows += len(there)
        several += int((Embeddings.of(ledger).vectors(shard, ledger.read_part(shard)).counts > 1).sum())
    assert rows == 19
    assert several == 3


def test_without_the_option_nothing_is_kept(manifest: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
    plain = annotated(manifest, tmp_path / "plain", tiny_model)
    assert OPTION not in plain.plan.options
    assert plain.folder.names(EMBEDDINGS) == []


def test_labels_are_those_without(output: Path, manifest: Path, tiny_model: ModelFolder, tmp_path: Path) -> None:
    plain = annotated(manifest, tmp_path / "plain", tiny_model)
    ledger = Ledger.open(dataclasses.replace(plain.folder, url=str(output)))
    assert ledger is not None
    for shard in range(plain.plan.shards):
        assert plain.read_part(shard).equals(ledger.read_part(shard))


def test_another_option_is_another_run(ledger: Ledger, manifest: Path, tiny_model: ModelFolder) -> None:
    with pytest.raises(OutputError, match=r"embeddings was '[0-9a-f]{12}' and is now None"):
        planned(manifest, ledger.folder.display, tiny_model)


class TestIdentity:
    def test_is_of_what_makes_the_vector(self, tiny_model: ModelFolder) -> None:
        whole = encoder_identity(tiny_model)
        assert len(whole) == 12
        config = dataclasses.replace(tiny_model.config, temperature=2.0, name="other", calibrated_on="calls")
        assert encoder_identity(ModelFolder(tiny_model.path, config)) == whole
        segment = dataclasses.replace(tiny_model.config.segment, loudness=0.1)
        config = dataclasses.replace(tiny_model.config, segment=segment)
        assert encoder_identity(ModelFolder(tiny_model.path, config)) != whole


class TestRetry:
    def test_adds_the_vectors_of_mended_rows(
        self, ledger: Ledger, tiny_model: ModelFolder, manifest: Path, clips: list[Path]
    ) -> None:
        assert ledger.read_part(1)["status"].to_pylist()[1] == Status.ERROR
        before = set(ledger.folder.names(EMBEDDINGS))
        gone = manifest.with_name("gone.wav")
        shutil.copy(clips[3], gone)
        again = Task(ledger, frozenset(AudioErrorType))
        label(ledger, tiny_model, [1], again)
        gone.unlink()
        assert set(ledger.read_part(1)["status"].to_pylist()) == {Status.OK.value}
        assert len(set(ledger.folder.names(EMBEDDINGS)) - before) == 1
        assert np.diff(probabilities(ledger, tiny_model, 1), axis=0).max() < 2e-3
        assert finished(ledger).complete


class TestReuse:
    def test_takes_the_vectors_over(
        self, ledger: Ledger, manifest: Path, tiny_model: ModelFolder, tmp_path: Path
    ) -> None:
        lines = manifest.read_text().splitlines()
        other = manifest.with_name("other.csv")
        other.write_text("\n".join([lines[0], *(line.replace("u", "w", 1) for line in reversed(lines[1:]))]))
        new = planned(other, tmp_path / "new", tiny_model, embeddings=True)
        reuse(new, ledger, Access())
        label(new, tiny_model, new.missing())
        assert finished(new).complete
        for shard in range(new.plan.shards):
            assert np.diff(probabilities(new, tiny_model, shard), axis=0).max() < 2e-3


class TestDamaged:
    @pytest.mark.parametrize("content", [None, b"", b"PAR1", "half"])
    def test_is_found_and_made_again(
        self, ledger: Ledger, tiny_model: ModelFolder, content: bytes | str | None
    ) -> None:
        name = f"{EMBEDDINGS}/{ledger.folder.names(EMBEDDINGS)[1]}"
        if content is None:
            ledger.folder.remove(name)
        else:
            whole = ledger.folder.read(name)
            ledger.folder.replace(name, whole[: len(whole) // 2] if isinstance(content, str) else content)
        findings = Findings()
        verified = verify(ledger, findings)
        assert list(verified.wrong) == [1]
        assert str(findings.first[0]).startswith(
            f"{ledger.part_name(1)}, shard 1: has no vector, or a damaged one, in embeddings/ for row 'u8'; "
            "delete that part"
        )

        def again() -> None:
            label(ledger, tiny_model, ledger.missing())

        assert finished(ledger, again).complete
        findings = Findings()
        verify(ledger, findings)
        assert findings.count == 0

    def test_other_vectors_under_the_same_name(self, ledger: Ledger) -> None:
        name = f"{EMBEDDINGS}/{ledger.folder.names(EMBEDDINGS)[0]}"
        table = pq.read_table(io.BytesIO(ledger.folder.read(name)))
        rows = [RowVectors(row["utterance_id"], row["audio_version"], np.ones((1, 4))) for row in table.to_pylist()]
        forged = io.BytesIO()
        pq.write_table(embeddings_table(rows, 4, {}), forged)
        ledger.folder.replace(name, forged.getvalue())
        with pytest.raises(OutputError, match=r"has no vector, or a damaged one, in embeddings/ for row 'u0'"):
            Embeddings.of(ledger).vectors(0, ledger.read_part(0))

    def test_nan_and_another_number_of_segments(self, ledger: Ledger) -> None:
        part = ledger.read_part(0)
        for name in ledger.folder.names(EMBEDDINGS):
            ledger.folder.remove(f"{EMBEDDINGS}/{name}")
        for vector in (np.full((1, 4), np.nan), np.zeros((9, 4))):
            rows = [RowVectors(name, None, vector) for name in part["utterance_id"].to_pylist()]
            keep_embeddings(ledger, 0, embeddings_table(rows, 4, {}))
            with pytest.raises(OutputError, match=r"has (no vector|. vectors) .*for row 'u0'"):
                Embeddings.of(ledger).vectors(0, part.set_column(*nulls(part, "audio_version")))


def nulls(table: pa.Table, name: str) -> tuple[int, pa.Field, pa.Array]:
    at = table.schema.get_field_index(name)
    return at, table.schema.field(at), pa.nulls(len(table), table.schema.field(at).type)


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), max_size=6), st.integers(0, 2**32 - 1))
def test_what_is_written_is_read(counts: list[int], seed: int) -> None:
    """Against a plain loop, by its public columns."""
    random = np.random.default_rng(seed)
    rows = [RowVectors(str(row), None, random.normal(size=(count, 3))) for row, count in enumerate(counts)]
    table = embeddings_table(rows, 3, {})
    assert table.schema.equals(embeddings_schema(3))
    for row, value in zip(rows, table.to_pylist(), strict=True):
        assert value["embedding"] == [np.float16(each) for each in row.segments.mean(axis=0)]
        if len(row.segments) == 1:
            assert value["segments"] is None
        else:
            assert np.array_equal(np.array(value["segments"], np.float16), row.segments.astype(np.float16))
