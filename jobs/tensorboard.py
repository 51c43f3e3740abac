"""Learning curves for TensorBoard, where it is installed."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from emoboost.trials import Trial, TrialResult


def write_tensorboard(folder: Path, results: Mapping[Trial, TrialResult]) -> None:
    """One run for each trial, with its loss and its validation UA, if any; nothing without TensorBoard."""
    if find_spec("tensorboard") is None or folder.exists():
        return
    from torch.utils.tensorboard import SummaryWriter

    for trial, result in results.items():
        with SummaryWriter(str(folder / trial.name)) as writer:
            for epoch in result.history:
                writer.add_scalar("loss", epoch.loss, epoch.epoch)
                if epoch.validation_ua is not None:
                    writer.add_scalar("validation_ua", epoch.validation_ua, epoch.epoch)
