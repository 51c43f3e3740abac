"""The command line of `calibrate`."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli_options import AllowHttp, Debug, Json, Root, StorageOptions, access_of, local_path
from jobs.exits import Exit, run


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def calibrate(
        model: Annotated[str, typer.Argument(help="Name of a bundled model, or a model folder; path or URL.")],
        truth: Annotated[
            str,
            typer.Option(
                "--truth", help="Manifest as annotate reads it, with a column human_label (else label) of 100 labels."
            ),
        ],
        output: Annotated[
            Path,
            typer.Option("--output", "-o", help="Model folder to write; its name is the model's.", callback=local_path),
        ],
        label: Annotated[
            str | None, typer.Option("--label", help="Column with the labels. Default: human_label, else label.")
        ] = None,
        description: Annotated[
            str | None,
            typer.Option("--description", help="The speech in a few words, shown with the model's results."),
        ] = None,
        channel: Annotated[
            str | None,
            typer.Option("--channel", help="Channel to hear, counted from 0, or mix for their mean."),
        ] = None,
        anyway: Annotated[
            bool, typer.Option("--anyway", help="Write the model even if the calibration does not help.")
        ] = False,
        root: Root = None,
        allow_http: AllowHttp = False,
        storage_options: StorageOptions = None,
        json: Json = False,
        debug: Debug = False,
    ) -> None:
        """Fit MODEL's numbers to labels that people gave your own speech, and write it as a new model.

        The weights stay as they are. Nothing is written if utterances that the calibration was not fitted on do not
        become more likely.
        """
        from jobs.calibrate import CalibrateOptions, calibrate_command

        def command() -> Exit:
            options = CalibrateOptions(
                model=model,
                truth=truth,
                output=output,
                label=label,
                description=description,
                channel=channel,
                anyway=anyway,
                access=access_of(root, storage_options, allow_http=allow_http),
            )
            return calibrate_command(options, as_json=json)

        run(command, debug=debug, go_on="calibrate writes only at its end, start it again")
