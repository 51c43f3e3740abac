"""The words of the commands around listening: `sample` and `score`."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli_options import MOST_SEED, AllowHttp, Base, Debug, Json, Root, StorageOptions, access_of, local_path
from jobs.exits import Exit, run


def add_to(app: typer.Typer) -> None:
    """Give the program its commands around listening."""
    app.command()(sample)
    app.command()(score)


def sample(
    output: Annotated[str, typer.Argument(help="An output of annotate, finished or not.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Rows to draw.")] = 200,
    for_review: Annotated[
        bool, typer.Option("--for-review", help="Write a folder with clips to listen to, the model's labels hidden.")
    ] = False,
    destination: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="CSV file to write, or folder with --for-review. Default: OUTPUT.sample.csv or OUTPUT.review in this "
            "folder.",
            callback=local_path,
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Which random rows.")] = 0,
    base: Base = None,
    root: Root = None,
    allow_http: AllowHttp = False,
    storage_options: StorageOptions = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw labelled rows of OUTPUT, evenly over its labels and, within each, over four bands of confidence.

    Each row has a weight: how many rows of OUTPUT it stands for. --for-review reads recordings under the rules of the
    annotate command: give --root and --allow-http if it had them.
    """
    from jobs.sample import SampleOptions, sample_command

    def command() -> Exit:
        options = SampleOptions(
            output=output,
            rows=n,
            for_review=for_review,
            destination=destination,
            seed=seed,
            base=base,
            access=access_of(root, storage_options, allow_http=allow_http),
        )
        return sample_command(options, as_json=json)

    run(command, debug=debug, go_on="the same command starts anew")


def score(
    output: Annotated[str, typer.Argument(help="An output of annotate, finished or not.")],
    truth: Annotated[
        str,
        typer.Option(
            "--truth",
            help="CSV, TSV or Parquet file with utterance_id and human_label or label, and if it has them weight and "
            "speaker.",
        ),
    ],
    class_map: Annotated[
        str | None,
        typer.Option(
            "--class-map",
            help="Which classes count as what, on both sides: a name (four, six, arousal, valence) or a YAML file.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for score.json, score.md and pictures.", callback=local_path),
    ] = None,
    storage_options: StorageOptions = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare the labels of OUTPUT with those that people gave: accuracy with intervals, and when to trust a label."""
    from emoboost.store_options import parse_storage_options
    from jobs.score import ScoreOptions, score_command

    def command() -> Exit:
        options = ScoreOptions(
            output=output,
            truth=truth,
            class_map=class_map,
            report=report,
            storage_options=parse_storage_options(storage_options),
        )
        return score_command(options, as_json=json)

    run(command, debug=debug, go_on="the same command starts anew")
