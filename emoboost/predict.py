"""The network half of annotation: inputs to probabilities to labels; and both halves together for single files."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emoboost.access import ANYWHERE, Access
from emoboost.calibration import tensor_probabilities
from emoboost.checkpoint import ModelFolder, find_model, load_network
from emoboost.config import ModelConfig
from emoboost.defaults import DEFAULT_MODEL, MAX_SECONDS
from emoboost.errors import AudioErrorType
from emoboost.features import FeatureExtractor
from emoboost.importing import collector_paused
from emoboost.prepare import Preparation, Prepared, regrouped
from emoboost.redaction import redacted
from emoboost.schema import Outcome
from emoboost.segment_means import consecutive_means
from emoboost.utterance import Utterance

if TYPE_CHECKING:
    import torch

    from emoboost.model import HeadOutput

SUB_BATCH = 16
"""Segments in one pass of the network; any other number gives the same probabilities within 1e-5."""


@dataclass(frozen=True)
class Labelled:
    """What the network says of the utterances of a shard."""

    outcomes: tuple[Outcome, ...]
    probabilities: np.ndarray
    """(utterances, classes) float32: mean of each utterance's segments (paper, Input); zeros on error."""
    vectors: np.ndarray | None = None
    """(segments, D) float32: the enhanced vector of each segment, where asked for."""


@dataclass(frozen=True)
class Prediction:
    """The label of one utterance, with what it was averaged from."""

    uri: str
    """As it was asked for, without secrets."""
    label: str | None
    """None when the audio could not be read."""
    confidence: float | None
    probabilities: Mapping[str, float]
    """Class to probability, in the model's order; empty on error."""
    segments: tuple[Mapping[str, float], ...]
    """The same for each 3-second segment, in time order."""
    segment_starts: tuple[float, ...]
    """Seconds from the utterance's start."""
    duration: float | None
    """Seconds."""
    error_type: AudioErrorType | None = None
    error_message: str | None = None


class EmotionModel:
    """A loaded model. Make one with `load_model`."""

    def __init__(self, folder: ModelFolder, device: str = "cpu", precision: str = "fp32") -> None:
        import torch

        self.folder = folder
        self.config = folder.config
        self.device = torch.device(device)
        self.precision = precision
        self.network = load_network(folder).to(self.device)

    @property
    def identity(self) -> str:
        """Name and first 12 hex digits of the hash over config and weights."""
        return self.folder.identity

    @property
    def hardware(self) -> str:
        """The kind of machine that computes: a GPU's name, else the processor's architecture."""
        import torch

        return str(torch.cuda.get_device_name()) if self.device.type == "cuda" else platform.machine()

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels this model can give, in the order of its probability columns."""
        return self.config.classes

    def segment_probabilities(
        self, inputs: Mapping[str, np.ndarray], valid: np.ndarray, sub_batch: int = SUB_BATCH
    ) -> np.ndarray:
        """Softmax of every segment.

        Args:
            inputs: what `Prepared.inputs` holds, n segments.
            valid: (n,) samples of each segment before its padding.
            sub_batch: segments per pass of the network.

        Returns:
            (n, classes) float32.
        """
        return self._outputs(inputs, valid, sub_batch, self._softmax)

    def segment_logits(
        self, inputs: Mapping[str, np.ndarray], valid: np.ndarray, sub_batch: int = SUB_BATCH
    ) -> np.ndarray:
        """What the network says of every segment, before temperature, bias and softmax: the same shapes."""
        return self._outputs(inputs, valid, sub_batch, lambda output: output.logits)

    def labelled(self, pieces: Iterable[Prepared], *, vectors: bool = False) -> Labelled:
        """Label a shard that comes in pieces, of which only a few segments are in memory at a time.

        The same segments are together in a pass of the network however the shard is cut, so that its labels are equal
        to the last bit.

        Args:
            pieces: the utterances of a shard, in order.
            vectors: whether the segments' vectors are wanted, too.
        """
        outcomes: list[Outcome] = []

        def noted() -> Iterator[Prepared]:
            for piece in pieces:
                outcomes.extend(piece.outcomes)
                yield piece

        def both(output: "HeadOutput") -> "torch.Tensor":
            import torch

            return torch.cat([self._softmax(output), output.vector.float()], dim=1)

        classes = len(self.classes)
        finish, width = (both, classes + self.config.vector_dim) if vectors else (self._softmax, classes)
        batches = [np.zeros((0, width), np.float32)]
        for inputs, valid in regrouped(noted(), SUB_BATCH):
            batches.append(self._outputs(inputs, valid, SUB_BATCH, finish))
        segments = np.concatenate(batches)
        means = mean_of_segments(segments[:, :classes], outcomes)
        return Labelled(tuple(outcomes), means, segments[:, classes:] if vectors else None)

    def _softmax(self, output: "HeadOutput") -> "torch.Tensor":
        return tensor_probabilities(output.logits.float(), self.config.temperature, self.config.bias)

    def _outputs(
        self,
        inputs: Mapping[str, np.ndarray],
        valid: np.ndarray,
        sub_batch: int,
        finish: "Callable[[HeadOutput], torch.Tensor]",
    ) -> np.ndarray:
        import torch

        batches = []
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"),
        ):
            for start in range(0, len(valid), sub_batch):
                rows = slice(start, start + sub_batch)
                batches += self._batch({name: values[rows] for name, values in inputs.items()}, valid[rows], finish)
        return np.concatenate(batches) if batches else np.zeros((0, len(self.classes)), np.float32)

    def _batch(
        self,
        inputs: Mapping[str, np.ndarray],
        valid: np.ndarray,
        finish: "Callable[[HeadOutput], torch.Tensor]",
    ) -> list[np.ndarray]:
        """Some segments, in halves when the device's memory is too small for all of them."""
        import torch

        try:
            tensors = {name: self._tensor(values).float() for name, values in inputs.items()}
            return [finish(self.network(tensors, self._tensor(valid))).float().cpu().numpy()]
        except torch.OutOfMemoryError as error:
            half = len(valid) // 2
            if not half:
                raise MemoryError(str(error).splitlines()[0]) from error
        torch.cuda.empty_cache()
        halves = (slice(None, half), slice(half, None))
        parts = [
            self._batch({name: values[rows] for name, values in inputs.items()}, valid[rows], finish) for rows in halves
        ]
        return [rows for part in parts for rows in part]

    def utterance_probabilities(self, prepared: Prepared) -> np.ndarray:
        """Mean of each utterance's segments (paper, Input): (utterances, classes) float32; zeros on error."""
        segments = self.segment_probabilities(prepared.inputs, prepared.valid)
        return mean_of_segments(segments, prepared.outcomes)

    def predict(
        self,
        source: str | Path,
        *,
        start: float = 0.0,
        end: float | None = None,
        channel: int | None = None,
        max_seconds: float = MAX_SECONDS,
    ) -> Prediction:
        """Label one file or a span of it.

        Args:
            source: path or URL of the audio.
            start: seconds from the recording's start.
            end: seconds from the recording's start; None is its end.
            channel: counted from 0; None is the mean of all channels.
            max_seconds: a longer span is refused as `too_long`.
        """
        place, uri = str(source), redacted(str(source))
        prepared = preparation_for(self.config, max_seconds=max_seconds, access=ANYWHERE)(
            [Utterance(uri, place, channel, start, end)]
        )
        (outcome,) = prepared.outcomes
        if outcome.error_type is not None:
            return Prediction(uri, None, None, {}, (), (), None, outcome.error_type, outcome.error_message)
        segments = self.segment_probabilities(prepared.inputs, prepared.valid)
        mean = mean_of_segments(segments, prepared.outcomes)[0]
        best = int(mean.argmax())
        return Prediction(
            uri,
            self.classes[best],
            float(mean[best]),
            self._named(mean),
            tuple(self._named(row) for row in segments),
            tuple(prepared.starts.tolist()),
            outcome.duration,
        )

    def _named(self, row: np.ndarray) -> dict[str, float]:
        return dict(zip(self.classes, row.tolist(), strict=True))

    def _tensor(self, values: np.ndarray) -> "torch.Tensor":
        import torch

        # A copy: rows that come from Ray's object store are read-only memory.
        return torch.from_numpy(values.copy()).to(self.device)


def preparation_for(
    config: ModelConfig, base: str = "", max_seconds: float = MAX_SECONDS, access: Access | None = None
) -> Preparation:
    """How inputs of a model are made from utterances; needs its config only, no weights.

    Args:
        config: the model's.
        base: folder or URL that relative uris start from.
        max_seconds: a longer utterance becomes an error `too_long`.
        access: how recordings may be reached; None is `Access()`.
    """
    return Preparation(config.segment, FeatureExtractor.from_config(config), base, max_seconds, access or Access())


def mean_of_segments(segments: np.ndarray, outcomes: Sequence[Outcome]) -> np.ndarray:
    """Average consecutive rows: (segments, classes) -> (utterances, classes) float32, zeros where there are none."""
    return consecutive_means(segments, [outcome.n_segments for outcome in outcomes]).astype(np.float32)


def load_model(
    name_or_folder: str | Path = DEFAULT_MODEL, access: Access | None = None, **options: Any
) -> EmotionModel:
    """Load a bundled model by name, or any model folder by path or URL.

    >>> model = load_model()
    >>> prediction = model.predict("examples/audio/emodb/03a01Wa.flac")
    >>> prediction.label
    'anger'

    Args:
        name_or_folder: a name that `emoboost-batch model list` shows, or a path, or a URL.
        access: how a store is reached; None is `Access()`.
        options: `device` ("cpu", "cuda") and `precision` ("fp32", "bf16").

    Raises:
        ModelError: no such model, or a damaged one.
    """
    folder = find_model(name_or_folder, access)
    with collector_paused():
        return EmotionModel(folder, **options)
