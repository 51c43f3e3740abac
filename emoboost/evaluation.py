"""What an evaluation found, before it is counted, drawn or printed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emoboost.recipe import Recipe
from emoboost.training import EpochReport


@dataclass(frozen=True)
class Scores:
    """Predictions of one variant and one seed; every utterance was predicted by a model that was not trained on it."""

    seed: int
    tested: np.ndarray
    """(n,) numbers of the utterances in the corpus, ascending."""
    fold: np.ndarray
    """(n,) position of the fold that tested each."""
    probabilities: np.ndarray
    """(n, classes) mean over each utterance's segments."""
    calibrated: np.ndarray | None = None
    """The same with each fold's temperature, which was fitted on its training speakers alone; None where not fitted."""
    temperatures: tuple[float, ...] = ()
    """One a fold; empty where not fitted."""
    vectors: np.ndarray | None = None
    """(n, D) mean of the segments' enhanced representations X'_w, for pictures."""
    histories: Sequence[Sequence[EpochReport]] = ()
    """Of each fold's training."""
    changed: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Condition -> (n, classes), the same utterances' `shares` when they are so changed."""
    adapted: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name of an enrolment -> (draws, n) class numbers with the speaker's offset taken away; -1 where an utterance told
    the voice and was not tested."""
    finished: bool = False
    """A finished model, whose own temperature is in `calibrated` and `changed`: it labels by these."""

    @property
    def shares(self) -> np.ndarray:
        """(n, classes) the probabilities whose highest is the label."""
        return self.calibrated if self.finished and self.calibrated is not None else self.probabilities


@dataclass(frozen=True)
class Example:
    """One segment whose frame weights are shown over its spectrogram."""

    title: str
    """Utterance, truth and label."""
    spectrogram: np.ndarray
    """(300, 200) in [0, 1], time x frequency up to 4 kHz."""
    weights: np.ndarray
    """(T',) relative to mean pooling: 1 everywhere would be mean pooling."""
    seconds: float
    """Length of the speech in the segment."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Everything a report is made from."""

    corpus: str
    """Name for titles."""
    manifest: str
    manifest_hash: str
    seconds: float
    """Of audio that was tested."""
    protocol: str
    protocol_description: str
    leaky: bool
    """Speakers are shared or epochs chosen on the test fold: every output must say so."""
    folds: Sequence[str]
    """Names."""
    classes: Sequence[str]
    truth: np.ndarray
    """(utterances,) class numbers of the whole corpus."""
    speakers: Sequence[str]
    utterance_ids: Sequence[str]
    variants: Mapping[str, Sequence[Scores]] = field(default_factory=dict)
    """Title of each variant -> its runs, one a seed; the first variant is the one that report.json's `wa` tells of."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """Title -> trained parameters."""
    encoder: str = ""
    """Which frozen encoder and layers."""
    recipe: Recipe | None = None
    """None when a fixed model was scored."""
    model: str | None = None
    """Identity of the fixed model that was scored."""
    examples: Sequence[Example] = ()
    remarks: Sequence[str] = ()
    """Warnings that belong to the figures, as sentences."""
