"""Finding what commands on a finished or unfinished output need: its ledger and its model."""

from emoboost.checkpoint import ModelFolder, find_model
from emoboost.errors import ModelError, OutputError
from emoboost.ledger import Ledger
from emoboost.plan import Plan
from emoboost.storage import Folder


def ledger_of(output: str) -> Ledger:
    """The ledger of an output that annotate made.

    Raises:
        OutputError: it is none.
    """
    folder = Folder.at(output)
    ledger = Ledger.open(folder) if folder.exists() else None
    if ledger is None:
        raise OutputError(f"{output}: not an output of annotate; give the folder that annotate wrote")
    return ledger


def model_of(plan: Plan, chosen: str | None) -> ModelFolder:
    """The model that an output was made with.

    Args:
        plan: of the output.
        chosen: name or folder; None is a bundled model of the name that the plan holds.

    Raises:
        ModelError: it is not there, damaged, or another one.
    """
    wanted = str(plan.options.get("model"))
    try:
        model = find_model(chosen or wanted.split("@", maxsplit=1)[0])
    except ModelError as error:
        if chosen is not None:
            raise
        raise ModelError(
            f"the output was made with {wanted}, which is not bundled; give its folder: --model"
        ) from error
    model.verify()
    if model.identity != wanted:
        raise ModelError(f"the output was made with {wanted}, not with {model.identity}; give its folder: --model")
    return model
