"""The same labels on a GPU; left out where there is none."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from emoboost.predict import EmotionModel, load_model, preparation_for
from emoboost.utterance import Utterance
from pipeline.shell import EXAMPLES, Shell

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="module")
def on_gpu() -> EmotionModel:
    return load_model(device="cuda")


def test_probabilities_equal_the_cpus(bundled: EmotionModel, on_gpu: EmotionModel, clips: list[Path]) -> None:
    prepared = preparation_for(bundled.config)([Utterance(str(clip), str(clip)) for clip in clips])
    here, there = (model.segment_probabilities(prepared.inputs, prepared.valid) for model in (bundled, on_gpu))
    np.testing.assert_allclose(there, here, rtol=0, atol=1e-5)


def test_any_sub_batch(on_gpu: EmotionModel, clips: list[Path]) -> None:
    prepared = preparation_for(on_gpu.config)([Utterance(str(clip), str(clip)) for clip in clips])
    one, all_at_once = (
        on_gpu.segment_probabilities(prepared.inputs, prepared.valid, sub_batch=size) for size in (1, 64)
    )
    np.testing.assert_allclose(one, all_at_once, rtol=0, atol=1e-5)


def test_annotate_uses_it(shell: Shell, bundled: EmotionModel, tmp_path: Path) -> None:
    done = shell.run("annotate", EXAMPLES / "manifest.csv", "--output", "out", cwd=tmp_path)
    assert done.code == 0, done.stderr
    assert "network workers (cuda)" in done.stderr
    labels = pq.read_table(tmp_path / "out/labels")
    assert labels.schema.metadata[b"emoboost.device"].decode() == torch.cuda.get_device_name()
    for row in labels.to_pylist():
        expected = bundled.predict(EXAMPLES / row["uri"])
        assert row["confidence"] == pytest.approx(expected.confidence, abs=1e-5)
