"""Features that are kept: found by what they are of, whole or not there, and equal to what prediction computes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import tiny_config

from emoboost.augment import Augmentation, audio_hash
from emoboost.config import MfccConfig
from emoboost.errors import EmoboostError
from emoboost.feature_cache import FeatureCache, cache_use, clear_cache, entry_name, settings_of
from emoboost.frozen import encode, keep_inputs
from emoboost.model import FrozenEncoders
from emoboost.predict import preparation_for
from emoboost.utterance import Utterance

CONFIG = tiny_config()


@pytest.fixture(scope="module")
def encoders() -> FrozenEncoders:
    torch.manual_seed(0)
    return FrozenEncoders(CONFIG)


@pytest.fixture(scope="module")
def encoded(encoders: FrozenEncoders, clips: list[Path]) -> list[tuple[str, dict[str, torch.Tensor]]]:
    """Four utterances of one to three segments."""
    entries = []
    for clip in clips[6:10]:
        prepared = preparation_for(CONFIG)([Utterance(clip.stem, str(clip))])
        entries.append((clip.stem, encode(prepared.inputs, prepared.valid, encoders)))
    return entries


@pytest.fixture
def cache(tmp_path: Path, encoders: FrozenEncoders) -> FeatureCache:
    return FeatureCache.open(tmp_path / "cache", settings_of(CONFIG, encoders))


def test_rows_come_back_in_the_order_asked_for(
    cache: FeatureCache, encoded: list[tuple[str, dict[str, torch.Tensor]]]
) -> None:
    cache.publish(encoded[:2])
    cache.publish(encoded[2:])
    names = [name for name, _ in encoded]
    wanted = [[names[3]], [names[1], names[2]], [names[0]]]
    features = cache.features(wanted)
    expected = [encoded[n][1] for n in (3, 1, 2, 0)]
    counts = [len(tensors["valid_frames"]) for tensors in expected]
    assert max(counts) > 1
    rows = np.arange(len(features.utterance))
    frames, valid_frames, mfcc, image = features.batch(rows)
    for found, name in ((frames, "frames"), (mfcc, "mfcc"), (image, "image")):
        assert found is not None
        assert torch.equal(found, torch.cat([tensors[name] for tensors in expected]).float())
    assert torch.equal(valid_frames, torch.cat([tensors["valid_frames"] for tensors in expected]))
    np.testing.assert_array_equal(features.utterance, np.repeat([0, 1, 1, 2], counts))
    np.testing.assert_array_equal(features.copy, np.repeat([0, 0, 1, 0], counts))
    some = rows[::-1][:3].copy()
    assert torch.equal(features.batch(some)[0], frames[torch.from_numpy(some)])


def test_features_are_what_prediction_sees(encoders: FrozenEncoders, clips: list[Path]) -> None:
    prepared = preparation_for(CONFIG)([Utterance("a", str(clips[9]))])
    found = encode(prepared.inputs, prepared.valid, encoders)
    with torch.inference_mode():
        outputs = encoders({name: torch.from_numpy(values).float() for name, values in prepared.inputs.items()})
    assert torch.equal(found["frames"], outputs["frames"].half())
    assert torch.equal(found["image"], outputs["image"].half())
    np.testing.assert_array_equal(found["mfcc"].numpy(), prepared.inputs["mfcc"])
    np.testing.assert_array_equal(found["valid_frames"], np.minimum(150, np.ceil(prepared.valid / 320)))


def test_inputs_are_kept_for_training_that_changes_the_encoders(encoders: FrozenEncoders, clips: list[Path]) -> None:
    prepared = preparation_for(CONFIG)([Utterance("a", str(clips[9]))])
    kept = keep_inputs(prepared.inputs, prepared.valid, CONFIG)
    with torch.inference_mode():
        frames = encoders.backbone(kept["frames"].float())
    assert torch.equal(frames.half(), encode(prepared.inputs, prepared.valid, encoders)["frames"])
    assert kept.keys() == {"frames", "valid_frames", "mfcc", "image"}


def test_states_that_float16_cannot_hold_are_not_kept_as_infinite(clips: list[Path]) -> None:
    loud = FrozenEncoders(CONFIG)
    with torch.no_grad():
        for parameter in loud.backbone.parameters():
            parameter.mul_(1e4)
    prepared = preparation_for(CONFIG)([Utterance("a", str(clips[9]))])
    with pytest.raises(EmoboostError, match=r"its frames reach [\d.e+]+, features keep up to 65,504.*--layers"):
        encode(prepared.inputs, prepared.valid, loud)


def test_another_setting_or_weight_is_another_folder(tmp_path: Path, encoders: FrozenEncoders) -> None:
    torch.manual_seed(1)
    others = [
        settings_of(CONFIG, FrozenEncoders(CONFIG)),
        settings_of(dataclasses.replace(CONFIG, mfcc=MfccConfig(n_mfcc=39)), encoders),
        settings_of(dataclasses.replace(CONFIG, backbone=dataclasses.replace(CONFIG.backbone, layers=(2,))), encoders),
    ]
    folders = {FeatureCache.open(tmp_path, settings).folder for settings in [settings_of(CONFIG, encoders), *others]}
    assert len(folders) == 4
    assert FeatureCache.open(tmp_path, settings_of(CONFIG, encoders)).folder in folders


def test_an_entry_is_named_by_audio_and_change(speech: np.ndarray) -> None:
    names = {
        entry_name(audio_hash(samples), Augmentation.parse(text))
        for samples in (speech, speech[:-1])
        for text in ("clean", "speed 0.9", "speed 1.1", "noise")
    }
    assert len(names) == 8


@pytest.mark.parametrize("kept", [0, 7, 0.5, 0.999])
def test_a_damaged_pack_is_computed_again(
    cache: FeatureCache, encoded: list[tuple[str, dict[str, torch.Tensor]]], kept: float
) -> None:
    cache.publish(encoded[:2])
    cache.publish(encoded[2:])
    damaged = cache.packs()[0]
    content = damaged.read_bytes()
    damaged.write_bytes(content[: int(kept if kept > 1 else kept * len(content))])
    assert len(cache.index()) == 2
    assert not damaged.exists()
    with pytest.raises(EmoboostError, match="2 entries are missing; the same command computes them"):
        cache.features([[name] for name, _ in encoded])


def test_nothing_half_written_is_left(
    cache: FeatureCache, encoded: list[tuple[str, dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    """A quota of the process stands for a full disk: writing fails in the middle."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    import signal

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(EmoboostError, match=r"features cannot be written \(File too large\); free space or choose"):
            cache.publish(encoded)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [path.name for path in cache.folder.iterdir()] == ["settings.json"]
    assert cache.index() == {}


def test_info_and_clear(
    cache: FeatureCache, encoded: list[tuple[str, dict[str, torch.Tensor]]], tmp_path: Path
) -> None:
    cache.publish(encoded)
    (tmp_path / "cache" / "mine.txt").write_text("not ours")
    (use,) = cache_use(tmp_path / "cache")
    assert (use.entries, use.encoder) == (4, "random, layers 1, 2")
    assert use.bytes == sum(file.stat().st_size for file in cache.folder.iterdir())
    assert clear_cache(tmp_path / "cache") == use.bytes
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["mine.txt"]
    assert list(cache_use(tmp_path / "nowhere")) == []
