"""MFCC, spectrogram and log-mel against librosa and transformers, a plain float64 route, and closed forms."""

import dataclasses
import hashlib
import math
import pickle
import subprocess
import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.sparse import csr_array
from transformers import Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from emoboost.config import (
    BackboneConfig,
    MfccBranchConfig,
    MfccConfig,
    ModelConfig,
    SpectrogramBranchConfig,
    WaveformConfig,
)
from emoboost.features import FeatureExtractor
from emoboost.features.mfcc import Mfcc
from emoboost.features.spectrum import mel_filters

AUDIO = Path(__file__).parents[1] / "examples" / "audio"
CLIPS = (
    "emodb/03a01Wa.flac",
    "emodb/13a01Nb.flac",
    "librispeech/1363-135842-0000.flac",
    "librispeech/8226-274369-0000.flac",
)
RATE, SAMPLES = 16_000, 48_000
CONFIG = ModelConfig(name="test", classes=("a", "b"))
EXTRACTOR = FeatureExtractor.from_config(CONFIG)

# In float32 a transform errs by about 1e-7 of its frame's loudest bin, which 80 dB further down is 1e-3 of the
# amplitude: 0.009 dB, that is 1.1e-4 of the spectrogram's 80 dB, and 2.2e-4 in (log10 power + 4) / 4.
# The mel bands average that out, and an MFCC frame is divided by its length, a few hundred.
FLOAT32 = {"mfcc": 1e-5, "spectrogram": 1.1e-4, "log_mel": 2.2e-4}
# float16 adds half a unit in the last place of values below 1 (2 for log-mel).
FLOAT16 = {
    "mfcc": FLOAT32["mfcc"] + 2**-12,
    "spectrogram": FLOAT32["spectrogram"] + 2**-12,
    "log_mel": FLOAT32["log_mel"] + 2**-11,
}


def read_segment(clip: str) -> tuple[np.ndarray, np.ndarray]:
    """The first 3 s, zero-padded, raw and pre-emphasised."""
    waveform, rate = soundfile.read(AUDIO / clip, dtype="float32")
    assert rate == RATE
    emphasised = lfilter([1, -0.97], [1], waveform)
    pair = np.zeros((2, SAMPLES), np.float32)
    pair[:, : len(waveform)] = np.stack([waveform, emphasised])[:, :SAMPLES]
    pair.flags.writeable = False
    return pair[0], pair[1]


def whole(count: int) -> np.ndarray:
    """Valid samples of so many segments that are not padded."""
    return np.full(count, SAMPLES, np.int32)


def features_of(segment: np.ndarray) -> dict[str, np.ndarray]:
    """All features of one segment, in float32, without pre-emphasis."""
    segments = segment[None].astype(np.float32)
    return {name: next(feature(segments)).copy() for name, feature in {**EXTRACTOR.emphasised, **EXTRACTOR.raw}.items()}


def sine(hertz: float, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(SAMPLES) / RATE)


@pytest.fixture(scope="module", params=CLIPS)
def segments(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    return read_segment(request.param)


class TestAgainstReferences:
    def references(self, raw: np.ndarray, emphasised: np.ndarray) -> dict[str, np.ndarray]:
        mfcc = librosa.feature.mfcc(y=emphasised, sr=RATE, n_mfcc=40, n_fft=2048, hop_length=160, htk=True).T[:300]
        stft = librosa.stft(emphasised, n_fft=800, win_length=640, hop_length=160, window="hamming")
        decibels = librosa.amplitude_to_db(np.abs(stft), ref=np.max, top_db=80).T[:300, :200]
        whisper = WhisperFeatureExtractor(chunk_length=3)
        return {
            "mfcc": mfcc / np.linalg.norm(mfcc, axis=1, keepdims=True),
            "spectrogram": (decibels + 80) / 80,
            "log_mel": whisper(raw, sampling_rate=RATE, return_tensors="np")["input_features"][0],
        }

    def test_equals_librosa_and_transformers(self, segments: tuple[np.ndarray, np.ndarray]) -> None:
        raw, emphasised = segments
        found = EXTRACTOR(raw[None], emphasised[None], whole(1))
        references = self.references(raw, emphasised)
        assert found.keys() == references.keys()
        for name, reference in references.items():
            feature = EXTRACTOR.raw.get(name) or EXTRACTOR.emphasised[name]
            exact = next(feature((raw if name in EXTRACTOR.raw else emphasised)[None]))
            np.testing.assert_allclose(exact, reference, rtol=0, atol=FLOAT32[name], err_msg=name)
            assert found[name].dtype == np.float16
            np.testing.assert_array_equal(found[name][0], exact.astype(np.float16), err_msg=name)
            np.testing.assert_allclose(
                found[name][0].astype(np.float32), reference, rtol=0, atol=FLOAT16[name], err_msg=name
            )

    def test_equals_a_plain_float64_route(self, segments: tuple[np.ndarray, np.ndarray]) -> None:
        raw, emphasised = segments
        np.testing.assert_allclose(features_of(emphasised)["mfcc"], plain_mfcc(emphasised), atol=FLOAT32["mfcc"])
        np.testing.assert_allclose(
            features_of(emphasised)["spectrogram"], plain_spectrogram(emphasised), atol=FLOAT32["spectrogram"]
        )
        np.testing.assert_allclose(features_of(raw)["log_mel"], plain_log_mel(raw), atol=FLOAT32["log_mel"])

    def test_every_mfcc_number_comes_from_the_config(self) -> None:
        config = MfccConfig(
            n_mfcc=13, n_fft=1024, hop_length=200, n_mels=100, top_db=50.0, frames=200, l2_normalise=False
        )
        _, emphasised = read_segment(CLIPS[0])
        reference = librosa.power_to_db(
            librosa.feature.melspectrogram(y=emphasised, sr=RATE, n_fft=1024, hop_length=200, n_mels=100, htk=True),
            top_db=50.0,
        )
        reference = librosa.feature.mfcc(S=reference, n_mfcc=13).T[:200]
        found = next(Mfcc.build(config, RATE)(emphasised[None]))
        # Not divided by its length: the largest coefficients are several hundred.
        np.testing.assert_allclose(found, reference, rtol=0, atol=2e-3)

    @pytest.mark.parametrize(("n_fft", "n_mels", "htk"), [(2048, 128, True), (400, 80, False), (1024, 100, True)])
    def test_mel_filters_are_librosas(self, n_fft: int, n_mels: int, htk: bool) -> None:
        power = np.random.default_rng(0).exponential(size=(1 + n_fft // 2, 301)).astype(np.float32)
        filters = mel_filters(sample_rate=RATE, n_fft=n_fft, n_mels=n_mels, htk=htk)
        full = librosa.filters.mel(sr=RATE, n_fft=n_fft, n_mels=n_mels, htk=htk).astype(np.float64)
        np.testing.assert_allclose(filters @ power, full @ power, rtol=1e-5)


def plain_power(segment: np.ndarray, window: np.ndarray, pad_mode: str) -> np.ndarray:
    """(301, bins) |DFT|^2, one frame after the other."""
    n_fft = len(window)
    padded = np.pad(segment.astype(np.float64), n_fft // 2, mode=pad_mode)
    frames = [padded[160 * t : 160 * t + n_fft] * window for t in range(301)]
    return np.abs(np.fft.rfft(frames)) ** 2


def plain_filters(n_fft: int, hertz: np.ndarray) -> np.ndarray:
    """(bins, mels) triangles over those corner frequencies, each of area 1 in Hz."""
    frequency = np.arange(1 + n_fft // 2)[:, None] * RATE / n_fft
    low, centre, high = hertz[:-2], hertz[1:-1], hertz[2:]
    rising, falling = (frequency - low) / (centre - low), (high - frequency) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


def hann(length: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)


def plain_mfcc(segment: np.ndarray) -> np.ndarray:
    mel = np.linspace(0, 2595 * math.log10(1 + 8000 / 700), 130)
    energy = plain_power(segment, hann(2048), "constant") @ plain_filters(2048, 700 * (10 ** (mel / 2595) - 1))
    decibels = 10 * np.log10(np.maximum(energy, 1e-10))
    decibels = np.maximum(decibels, decibels.max() - 80)
    order, band = np.arange(40)[:, None], np.arange(128)
    cosines = math.sqrt(2 / 128) * np.cos(np.pi * order * (2 * band + 1) / 256)
    cosines[0] = math.sqrt(1 / 128)
    mfcc = decibels[:300] @ cosines.T
    return mfcc / np.linalg.norm(mfcc, axis=1, keepdims=True)


def plain_spectrogram(segment: np.ndarray) -> np.ndarray:
    hamming = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(640) / 640)
    amplitude = np.sqrt(plain_power(segment, np.pad(hamming, 80), "constant"))
    decibels = 20 * np.log10(np.maximum(amplitude, 1e-5) / amplitude.max())
    return (np.maximum(decibels, -80)[:300, :200] + 80) / 80


def plain_log_mel(segment: np.ndarray) -> np.ndarray:
    mel = np.linspace(0, 15 + 27 * math.log(8) / math.log(6.4), 82)  # linear to 1 kHz, which is 15
    hertz = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * math.log(6.4) / 27))
    energy = plain_power(segment, hann(400), "reflect")[:300] @ plain_filters(400, hertz)
    level = np.log10(np.maximum(energy, 1e-10))
    return ((np.maximum(level, level.max() - 8) + 4) / 4).T


class TestClosedForms:
    def test_silence(self) -> None:
        found = features_of(np.zeros(SAMPLES))
        # Every band lies at -100 dB, so only the mean is left, and it is negative.
        np.testing.assert_allclose(found["mfcc"], np.tile(-np.eye(40)[0], (300, 1)), atol=1e-6)
        np.testing.assert_array_equal(found["spectrogram"], 1)
        np.testing.assert_allclose(found["log_mel"], (-10 + 4) / 4, rtol=1e-6)

    @pytest.mark.parametrize("amplitude", [1e-3, 0.5, 1.0])
    @pytest.mark.parametrize("bin_", [25, 50, 150])
    def test_a_sine_is_the_loudest_in_its_bin(self, bin_: int, amplitude: float) -> None:
        spectrogram = features_of(sine(bin_ * 20, amplitude))["spectrogram"][5:-5]  # frames within the segment
        assert (spectrogram.argmax(axis=1) == bin_).all()
        assert spectrogram[:, bin_] == pytest.approx(1.0, abs=1e-4)
        # Hamming's main lobe is 2 bins of 640 points wide, and its side lobes lie at least 42 dB down.
        far = np.abs(np.arange(200) - bin_) > 2 * 800 / 640
        assert spectrogram[:, far].max() < 1 - 42 / 80

    def test_a_sine_is_the_loudest_in_its_mel_band(self) -> None:
        log_mel = features_of(sine(1000))["log_mel"]
        # 1 kHz is Slaney's mel 15; the 80 bands' centres are the inner of 82 points up to 8 kHz.
        centres = np.linspace(0, 15 + 27 * math.log(8) / math.log(6.4), 82)[1:-1]
        assert (log_mel[:, 5:-5].argmax(axis=0) == np.abs(centres - 15).argmin()).all()

    def test_an_impulse_is_flat(self) -> None:
        impulse = np.zeros(SAMPLES)
        impulse[100 * 160] = 1.0  # the centre of frame 100
        found = features_of(impulse)
        np.testing.assert_allclose(found["spectrogram"][100], 1, atol=1e-6)
        np.testing.assert_array_equal(found["spectrogram"][110:], 0)

    def test_gain_moves_the_mfcc_mean_alone_and_leaves_the_spectrogram(self) -> None:
        plain = Mfcc.build(dataclasses.replace(CONFIG.mfcc, l2_normalise=False), RATE)
        noise = np.random.default_rng(1).normal(scale=0.01, size=SAMPLES).astype(np.float32)
        quiet, loud = (next(plain(segment[None])).copy() for segment in (noise, 8 * noise))
        expected = np.zeros(40)
        expected[0] = 20 * math.log10(8) * math.sqrt(128)
        np.testing.assert_allclose(loud - quiet, np.tile(expected, (300, 1)), atol=2e-3)
        first, second = features_of(noise), features_of(8 * noise)
        np.testing.assert_allclose(first["spectrogram"], second["spectrogram"], atol=1e-6)
        np.testing.assert_allclose(second["log_mel"] - first["log_mel"], math.log10(64) / 4, atol=1e-5)

    def test_full_scale(self) -> None:
        square = np.sign(sine(500))
        found = features_of(square)
        assert found["spectrogram"].max() == 1.0
        assert (found["spectrogram"][5:-5].argmax(axis=1) == 25).all()
        assert found["log_mel"].max() < 2  # the range in which float16's rounding above holds

    def test_a_frame_of_zeros_stays_zero(self) -> None:
        # At the centre of its frame an impulse of 1 has power 1 at 0 Hz. Where every band reads only that, the frame
        # is 0 dB throughout, and its cepstrum has no length to divide by.
        every_band_reads_0_hz = csr_array(np.eye(1, 1025, dtype=np.float32).repeat(128, axis=0))
        mfcc = dataclasses.replace(Mfcc.build(CONFIG.mfcc, RATE), mel=every_band_reads_0_hz)
        impulse = np.zeros((1, SAMPLES), np.float32)
        impulse[0, 100 * 160] = 1
        found = next(mfcc(impulse))
        np.testing.assert_array_equal(found[100], 0)
        assert np.linalg.norm(found[0]) == pytest.approx(1)


NOISE = np.random.default_rng(0).normal(size=SAMPLES)
SIGNALS = {
    "silence": np.zeros(SAMPLES),
    "dc": np.full(SAMPLES, 0.3),
    "full scale dc": np.full(SAMPLES, -1.0),
    "clipped": np.clip(30 * sine(180), -1, 1),
    "full scale noise": NOISE / np.abs(NOISE).max(),
    "denormals": 1e-40 * NOISE,
    "squares to nothing": 1e-25 * NOISE,
    "one sample": np.eye(1, SAMPLES)[0],
    "one sample at the end": np.eye(1, SAMPLES, SAMPLES - 1)[0],
    "sixteen bit integers": 32_768 * NOISE,
    "nyquist": np.resize([1.0, -1.0], SAMPLES),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_features_are_finite(name: str) -> None:
    segments = SIGNALS[name][None].astype(np.float32)
    found = EXTRACTOR(segments, segments, whole(len(segments)))
    for feature, values in found.items():
        assert np.isfinite(values).all(), feature
    assert found["spectrogram"].min() >= 0
    assert found["spectrogram"].max() <= 1
    np.testing.assert_allclose(np.linalg.norm(found["mfcc"].astype(np.float32), axis=-1), 1, atol=2e-3)


class TestEachSegmentByItself:
    RAW, EMPHASISED = (np.stack(kind) for kind in zip(*map(read_segment, CLIPS), strict=True))
    ALONE = EXTRACTOR(RAW, EMPHASISED, whole(len(CLIPS)))

    def test_a_quiet_segment_beside_a_loud_one(self) -> None:
        quiet, loud = 1e-4 * self.RAW[:1], 100 * self.RAW[1:2]
        alone, beside = EXTRACTOR(quiet, quiet, whole(1)), EXTRACTOR(*[np.concatenate([quiet, loud])] * 2, whole(2))
        for name in EXTRACTOR.inputs:
            np.testing.assert_array_equal(alone[name][0], beside[name][0], err_msg=name)

    @settings(max_examples=15, deadline=None)
    @given(order=st.lists(st.integers(0, len(CLIPS) - 1), max_size=6), cut=st.integers(0, 6))
    def test_same_bits_in_any_order_and_batch(self, order: list[int], cut: int) -> None:
        together = EXTRACTOR(self.RAW[order], self.EMPHASISED[order], whole(len(order)))
        cuts = (order[:cut], order[cut:])
        parts = [EXTRACTOR(self.RAW[rows], self.EMPHASISED[rows], whole(len(rows))) for rows in cuts]
        for name in EXTRACTOR.inputs:
            np.testing.assert_array_equal(together[name], self.ALONE[name][order], err_msg=name)
            np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), together[name], err_msg=name)

    def test_a_worker_needs_no_heavy_import_and_gives_the_same_bits(self, tmp_path: Path) -> None:
        np.save(tmp_path / "raw.npy", self.RAW)
        np.save(tmp_path / "emphasised.npy", self.EMPHASISED)
        (tmp_path / "extractor.pickle").write_bytes(pickle.dumps(EXTRACTOR))
        program = """
import hashlib, pickle, sys
import numpy as np
extractor = pickle.load(open("extractor.pickle", "rb"))
raw = np.load("raw.npy")
features = extractor(raw, np.load("emphasised.npy"), np.full(len(raw), 48_000, np.int32))
heavy = {"torch", "transformers", "librosa", "numba", "pandas", "scipy.signal"} & sys.modules.keys()
print(sorted(heavy), *(hashlib.sha256(features[name].tobytes()).hexdigest() for name in extractor.inputs))
"""
        one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        completed = subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, env=one_thread, capture_output=True, text=True, check=True
        )
        digests = [hashlib.sha256(self.ALONE[name].tobytes()).hexdigest() for name in EXTRACTOR.inputs]
        assert completed.stdout.split() == ["[]", *digests]


@pytest.mark.parametrize(
    ("mfcc", "spectrogram", "inputs"),
    [
        (None, None, ("log_mel",)),
        (MfccBranchConfig(), None, ("mfcc", "log_mel")),
        (None, SpectrogramBranchConfig(), ("spectrogram", "log_mel")),
        (MfccBranchConfig(), SpectrogramBranchConfig(), ("mfcc", "spectrogram", "log_mel")),
    ],
)
def test_only_what_the_model_reads(
    mfcc: MfccBranchConfig | None, spectrogram: SpectrogramBranchConfig | None, inputs: tuple[str, ...]
) -> None:
    config = dataclasses.replace(CONFIG, mfcc_branch=mfcc, spectrogram_branch=spectrogram)
    extractor = FeatureExtractor.from_config(config)
    segments = np.zeros((2, SAMPLES), np.float32)
    assert extractor.inputs == inputs
    assert tuple(extractor(segments, segments, whole(2))) == inputs


def test_shapes_with_and_without_segments() -> None:
    shapes = {"mfcc": (300, 40), "spectrogram": (300, 200), "log_mel": (80, 300)}
    for count in (0, 1, 3):
        segments = np.zeros((count, SAMPLES), np.float32)
        found = EXTRACTOR(segments, segments, whole(len(segments)))
        assert {name: values.shape for name, values in found.items()} == {
            name: (count, *shape) for name, shape in shapes.items()
        }
        assert {values.dtype for values in found.values()} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    ("raw", "emphasised", "message"),
    [
        (
            np.zeros((1, 100)),
            np.zeros((1, SAMPLES)),
            r"raw is float32 of shape \(1, 100\); expected float32 of .*48000",
        ),
        (np.zeros((2, SAMPLES)), np.zeros((1, SAMPLES)), r"emphasised is .*\(1, 48000\); expected .*\(2, 48000\)"),
        (np.zeros(SAMPLES), np.zeros(SAMPLES), r"raw is float32 of shape \(48000,\)"),
    ],
)
def test_other_shapes_are_refused(raw: np.ndarray, emphasised: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EXTRACTOR(raw.astype(np.float32), emphasised.astype(np.float32), whole(len(raw)))


def test_another_dtype_is_refused() -> None:
    segments = np.zeros((1, SAMPLES))
    with pytest.raises(ValueError, match=r"raw is float64 .* expected float32"):
        EXTRACTOR(segments, segments, whole(1))


@pytest.mark.parametrize(
    "valid",
    [np.array([0]), np.array([SAMPLES + 1]), np.array([1, 2]), np.array([1.0])],
    ids=["none", "too many", "two of one", "float"],
)
def test_other_counts_of_valid_samples_are_refused(valid: np.ndarray) -> None:
    segments = np.zeros((1, SAMPLES), np.float32)
    kind = valid.dtype if valid.dtype == float else np.int32
    with pytest.raises(ValueError, match=r"valid is .*; expected int32 of shape \(1,\) from 1 to 48000"):
        EXTRACTOR(segments, segments, valid.astype(kind))


WAVEFORM = WaveformConfig(
    do_normalize=True,
    conv_dim=(16,) * 7,
    conv_kernel=(10, 3, 3, 3, 3, 2, 2),
    conv_stride=(5, 2, 2, 2, 2, 2, 2),
    conv_bias=False,
    feat_extract_norm="group",
    feat_extract_activation="gelu",
    hidden_act="gelu",
    do_stable_layer_norm=False,
    layer_norm_eps=1e-5,
    num_conv_pos_embeddings=16,
    num_conv_pos_embedding_groups=4,
)


class TestWaveform:
    """The input of wav2vec 2.0, HuBERT and WavLM."""

    def extractor(self, *, do_normalize: bool) -> FeatureExtractor:
        backbone = BackboneConfig(family="wav2vec2", waveform=dataclasses.replace(WAVEFORM, do_normalize=do_normalize))
        alone = dataclasses.replace(CONFIG, backbone=backbone, mfcc_branch=None, spectrogram_branch=None)
        return FeatureExtractor.from_config(alone)

    def prepare(self, clip: str, seconds: float, *, do_normalize: bool) -> tuple[np.ndarray, np.ndarray, int]:
        """Ours and transformers' of the clip's first seconds, and the number of valid samples."""
        waveform, _ = soundfile.read(AUDIO / clip, dtype="float32")
        waveform = waveform[: min(SAMPLES, int(seconds * RATE))] + np.float32(0.01)  # not free of DC by chance
        raw = np.zeros((1, SAMPLES), np.float32)
        raw[0, : len(waveform)] = waveform
        valid = np.array([len(waveform)], np.int32)
        found = self.extractor(do_normalize=do_normalize)(raw, raw, valid)
        assert set(found) == {"waveform"}
        theirs = Wav2Vec2FeatureExtractor(do_normalize=do_normalize, return_attention_mask=True)(
            waveform, sampling_rate=RATE, padding="max_length", max_length=SAMPLES, return_tensors="np"
        )
        return found["waveform"][0], theirs["input_values"][0], len(waveform)

    @pytest.mark.parametrize("do_normalize", [True, False])
    @pytest.mark.parametrize("seconds", [0.3, 1.7, 3.0])
    @pytest.mark.parametrize("clip", CLIPS)
    def test_equals_transformers(self, clip: str, seconds: float, do_normalize: bool) -> None:
        found, reference, valid = self.prepare(clip, seconds, do_normalize=do_normalize)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, reference, rtol=1e-6, atol=1e-6)
        assert not found[valid:].any()  # exactly

    @pytest.mark.parametrize(("valid", "value"), [(1, 0.7), (100, 0.0), (SAMPLES, -0.25)])
    def test_constants_become_silence(self, valid: int, value: float) -> None:
        raw = np.zeros((1, SAMPLES), np.float32)
        raw[0, :valid] = value
        found = self.extractor(do_normalize=True)(raw, raw, np.array([valid], np.int32))["waveform"]
        np.testing.assert_allclose(found, 0, atol=1e-3)

    def test_same_bits_in_any_batch_and_nothing_is_changed(self) -> None:
        raw = np.stack([read_segment(clip)[0] for clip in CLIPS])
        before, valid = raw.copy(), np.array([20_000, 40_000, SAMPLES, 5], np.int32)
        extractor = pickle.loads(pickle.dumps(self.extractor(do_normalize=True)))
        together = extractor(raw, raw, valid)["waveform"]
        for row in range(len(CLIPS)):
            alone = extractor(raw[row : row + 1], raw[row : row + 1], valid[row : row + 1])["waveform"]
            np.testing.assert_array_equal(alone[0], together[row])
        np.testing.assert_array_equal(raw, before)

    def test_only_what_the_model_reads(self) -> None:
        extractor = FeatureExtractor.from_config(
            dataclasses.replace(CONFIG, backbone=BackboneConfig(family="hubert", waveform=WAVEFORM))
        )
        assert extractor.inputs == ("mfcc", "spectrogram", "waveform")
        segments = np.zeros((0, SAMPLES), np.float32)
        found = extractor(segments, segments, whole(0))
        assert tuple(found) == extractor.inputs
        assert found["waveform"].shape == (0, SAMPLES)
