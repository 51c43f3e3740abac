"""Learning curves for TensorBoard, where it is installed."""

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from emoboost.trials import Trial, TrialResult


def write_tensorboard(folder: Path, results: Mapping[Trial, TrialResult]) -> None:
    """One run for each trial, with its loss and its validation UA, if any; nothing without TensorBoard.

    A folder that is there is written anew: trials may have been added, and a second file of a run would show it twice.
    """
    if find_spec("tensorboard") is None:
        return
    from torch.utils.tensorboard import SummaryWriter

    shutil.rmtree(folder, ignore_errors=True)
    for trial, result in results.items():
        with SummaryWriter(str(folder / trial.name)) as writer:
            for epoch in result.history:
                writer.add_scalar("loss", epoch.loss, epoch.epoch)
                if epoch.validation_ua is not None:
                    writer.add_scalar("validation_ua", epoch.validation_ua, epoch.epoch)
