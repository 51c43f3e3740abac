"""The command line of `relabel`."""

from typing import Annotated

import typer

from jobs.cli_options import Debug, Json, StorageOptions, access_of
from jobs.exits import Exit, run


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def relabel(
        output: Annotated[str, typer.Argument(help="An output of annotate --embeddings.")],
        destination: Annotated[
            str | None,
            typer.Option("--destination", "-d", help="Folder or URL for the new labels. Default: OUTPUT-relabelled."),
        ] = None,
        adapt: Annotated[
            str | None,
            typer.Option("--adapt", help="Adapt to the speakers that this column of the manifest tells apart."),
        ] = None,
        prior: Annotated[
            str | None,
            typer.Option(
                "--prior",
                help="Correct for another mix of classes: train, uniform, estimate, or a file such as 'anger: 0.05'.",
            ),
        ] = None,
        model: Annotated[
            str | None, typer.Option("--model", help="Another classifier on the same encoder, e.g. a calibrated model.")
        ] = None,
        storage_options: StorageOptions = None,
        json: Json = False,
        debug: Debug = False,
    ) -> None:
        """Label OUTPUT anew from the vectors that it keeps, without its audio: adapted, corrected, or by another model.

        OUTPUT stays as it is. The same command on the same destination completes what is missing.
        """
        from jobs.relabel_command import relabel_command
        from jobs.relabel_plan import RelabelOptions

        def command() -> Exit:
            options = RelabelOptions(
                output=output,
                destination=destination,
                model=model,
                adapt=adapt,
                prior=prior,
                access=access_of(None, storage_options, allow_http=False),
            )
            return relabel_command(options, as_json=json)

        run(command, debug=debug)
