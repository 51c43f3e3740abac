"""The command line. Commands import what they need when they run, so that `--help` answers at once."""

import io
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emoboost.access import Access
from emoboost.defaults import DEFAULT_MODEL, DEFAULT_RECIPE, MAX_SECONDS, STOP_AT
from jobs import cli_calibrate, cli_relabel, cli_review
from jobs.cli_options import (
    MOST_SEED,
    AllowHttp,
    Base,
    Debug,
    Json,
    Root,
    StorageOptions,
    absolute,
    access_of,
    local_path,
)
from jobs.exits import Exit, run
from jobs.failures import RESUME

LIMITS = Access()
"""The defaults of what a recording may hold."""
MOST = 10**12
"""Utterances that a manifest may have."""

app = typer.Typer(
    name="emoboost-batch",
    help="Emotion labels for speech archives: MS-EmoBoost as a batch job on Ray.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
model_app = typer.Typer(help="Look at models.", no_args_is_help=True)
corpus_app = typer.Typer(help="Turn a published corpus into a manifest.", no_args_is_help=True)
cache_app = typer.Typer(help="Features that experiments keep.", no_args_is_help=True)
app.add_typer(cache_app, name="cache")
app.add_typer(model_app, name="model")
app.add_typer(corpus_app, name="corpus")


Model = Annotated[str, typer.Option("--model", help="Name of a bundled model, or a model folder; path or URL.")]

RayAddress = Annotated[
    str | None,
    typer.Option("--ray-address", help="Ray cluster to use. Default: RAY_ADDRESS, else this machine."),
]
MaxErrors = Annotated[
    float, typer.Option("--max-errors", min=0, max=1, help="Share of error rows up to which the exit code is 0.")
]
StopAt = Annotated[
    float,
    typer.Option(
        "--stop-at",
        min=0.01,
        max=1,
        help="Share of utterances with one storage error that stops the job; 1: never.",
    ),
]
MaxDecodeSeconds = Annotated[
    float,
    typer.Option(
        "--max-decode-seconds",
        min=1,
        help="Utterances that take longer to read become error rows; waiting for a store has its own time.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        help="Folder for features. Default: emoboost-batch/features in the user's cache.",
        callback=local_path,
    ),
]
RecipeName = Annotated[str, typer.Option("--recipe", help="robust, r, paper, or a YAML file with what differs from r.")]
LabelMap = Annotated[
    str | None,
    typer.Option(
        "--label-map", help="Which labels count as what: a name (four, six, arousal, valence) or a YAML file."
    ),
]
Encoder = Annotated[
    str | None,
    typer.Option("--encoder", help="Speech encoder: hub id or folder. Default: the base model's."),
]
Layers = Annotated[
    str,
    typer.Option(
        "--layers", help="Its hidden states, separated by commas. Default: 2,3,4 of a Whisper, else the last."
    ),
]
AlexNet = Annotated[
    Path | None,
    typer.Option(
        "--alexnet",
        help="Safetensors file of torchvision's AlexNet features. Default: the base model's.",
        callback=local_path,
    ),
]
BaseModel = Annotated[
    str,
    typer.Option("--base-model", help="Bundled model or model folder whose frozen encoders are used."),
]


class Table(StrEnum):
    """Tables of the paper."""

    TABLE2 = "table2"
    TABLE3 = "table3"
    TABLE4 = "table4"
    TABLE5 = "table5"


class Precision(StrEnum):
    """Arithmetic of the network."""

    FP32 = "fp32"
    BF16 = "bf16"


class Kind(StrEnum):
    """What an output can be exported to."""

    CSV = "csv"


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"emoboost-batch {version('emoboost-batch')}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Emotion labels for speech archives: MS-EmoBoost as a batch job on Ray."""


@app.command()
def annotate(
    manifest: Annotated[str, typer.Argument(help="CSV, TSV or Parquet file, folder or glob of audio; path or URL.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Folder or URL. Default: NAME.emotions in this folder."),
    ] = None,
    model: Model = DEFAULT_MODEL,
    channel: Annotated[
        str | None, typer.Option("--channel", help="Channel to label, counted from 0, or mix for their mean.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, max=MOST, help="Only the first N utterances.")] = None,
    max_duration: Annotated[
        float, typer.Option("--max-duration", min=0.1, help="Longer utterances (seconds) become error rows.")
    ] = MAX_SECONDS,
    max_errors: MaxErrors = 0.01,
    stop_at: StopAt = STOP_AT,
    reuse: Annotated[
        str | None,
        typer.Option("--reuse", help="An older output: rows whose audio and model did not change are taken from it."),
    ] = None,
    precision: Annotated[Precision, typer.Option("--precision", help="Arithmetic of the network.")] = Precision.FP32,
    embeddings: Annotated[
        bool, typer.Option("--embeddings", help="Keep each utterance's vector in OUTPUT/embeddings, for relabel.")
    ] = False,
    root: Root = None,
    allow_http: AllowHttp = False,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", min=1, help="Larger files become error rows.")
    ] = LIMITS.max_bytes,
    max_channels: Annotated[
        int, typer.Option("--max-channels", min=1, help="Files of more channels become error rows.")
    ] = LIMITS.max_channels,
    max_sample_rate: Annotated[
        int, typer.Option("--max-sample-rate", min=1_000, help="Files of a higher rate (Hz) become error rows.")
    ] = LIMITS.max_sample_rate,
    max_decode_seconds: MaxDecodeSeconds = LIMITS.max_decode_seconds,
    ray_address: RayAddress = None,
    storage_options: StorageOptions = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, plan, write nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Label every utterance of MANIFEST and write one row each to Parquet.

    The same command on the same output completes what is missing.
    """
    from emoboost.access import Access
    from emoboost.store_options import parse_storage_options
    from jobs.annotate import AnnotateOptions
    from jobs.annotate_command import annotate_command

    def command() -> Exit:
        options = AnnotateOptions(
            manifest=manifest,
            output=output,
            model=model,
            precision=precision.value,
            channel=channel,
            limit=limit,
            max_duration=max_duration,
            stop_at=stop_at,
            embeddings=embeddings,
            reuse=reuse,
            ray_address=ray_address,
            access=Access(
                root=absolute(root),
                http=allow_http,
                storage_options=parse_storage_options(storage_options),
                max_bytes=max_bytes,
                max_channels=max_channels,
                max_sample_rate=max_sample_rate,
                max_decode_seconds=max_decode_seconds,
            ),
        )
        return annotate_command(options, max_errors=max_errors, dry_run=dry_run, as_json=json)

    run(command, debug=debug)


@app.command()
def retry(
    output: Annotated[str, typer.Argument(help="An output of annotate.")],
    errors: Annotated[bool, typer.Option("--errors", help="Try error rows again.")] = False,
    kinds: Annotated[
        list[str] | None, typer.Option("--type", help="Only errors of this type; may be given several times.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The model that made OUTPUT, if it is not a bundled one.")
    ] = None,
    base: Base = None,
    max_errors: MaxErrors = 0.01,
    stop_at: StopAt = STOP_AT,
    root: Root = None,
    allow_http: AllowHttp = False,
    max_decode_seconds: MaxDecodeSeconds = LIMITS.max_decode_seconds,
    ray_address: RayAddress = None,
    storage_options: StorageOptions = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Try rows of OUTPUT that have an error again, for example when files were mended or a store works again.

    Parts are replaced one by one, each in one step; the old ones are kept in OUTPUT/_history. Give --root and
    --allow-http if the annotate command had them.
    """
    from emoboost.store_options import parse_storage_options
    from jobs.retry import RetryOptions, error_types
    from jobs.retry_command import retry_command

    def command() -> Exit:
        types = error_types(kinds or [])
        options = RetryOptions(
            output=output,
            types=types,
            model=model,
            base=base,
            stop_at=stop_at,
            ray_address=ray_address,
            access=Access(
                root=absolute(root),
                http=allow_http,
                storage_options=parse_storage_options(storage_options),
                max_decode_seconds=max_decode_seconds,
            ),
        )
        return retry_command(options, errors=errors, max_errors=max_errors, as_json=json)

    run(command, debug=debug)


@app.command()
def status(
    output: Annotated[str, typer.Argument(help="An output of annotate, finished or not.")],
    storage_options: StorageOptions = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show how far OUTPUT is and who works on it, from any machine that can read it."""
    from jobs.status import status_command

    run(lambda: status_command(output, storage_options, as_json=json), debug=debug)


@app.command()
def predict(
    files: Annotated[list[str], typer.Argument(help="Audio files or URLs.")],
    model: Model = DEFAULT_MODEL,
    channel: Annotated[
        str | None, typer.Option("--channel", help="Channel to label, counted from 0, or mix for their mean.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write a CSV instead of text.", callback=local_path)
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take a quick look at a few FILES, without Ray: label, scores, timeline."""
    from jobs.predict import predict_command

    run(lambda: predict_command(files, model, channel, output, as_json=json), debug=debug)


@app.command()
def export(
    output: Annotated[str, typer.Argument(help="An output folder of annotate.")],
    to: Annotated[Kind, typer.Option("--to", help="Kind of file.")],
    destination: Annotated[
        Path | None,
        typer.Option(
            "--destination", "-d", help="File to write. Default: OUTPUT.csv in this folder.", callback=local_path
        ),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Leave text as it is, also what a spreadsheet would take for a formula.")
    ] = False,
    storage_options: StorageOptions = None,
    debug: Debug = False,
) -> None:
    """Write the labels of OUTPUT in another format."""
    from jobs.export import export_command

    run(lambda: export_command(output, to.value, destination, storage_options, raw=raw), debug=debug)


@app.command()
def verify(
    output: Annotated[str, typer.Argument(help="An output folder of annotate.")],
    recompute: Annotated[
        int, typer.Option("--recompute", min=0, help="Label so many random rows again, from their audio.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which random rows.")] = 0,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", help="Folder of the model that made the labels. Default: looked for among the bundled."
        ),
    ] = None,
    base: Base = None,
    root: Root = None,
    allow_http: AllowHttp = False,
    storage_options: StorageOptions = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check everything that OUTPUT holds again from scratch, against its plan.

    --recompute reads recordings under the rules of the annotate command: give --root and --allow-http if it had them.
    Exit code 0: everything holds. 4: unfinished, and nothing is wrong. 5: something is wrong.
    """
    from jobs.verify import verify_command

    def command() -> Exit:
        access = access_of(root, storage_options, allow_http=allow_http)
        return verify_command(output, access, recompute=recompute, seed=seed, model_name=model, base=base, as_json=json)

    run(command, debug=debug, go_on="verify changes nothing")


@app.command()
def evaluate(
    context: typer.Context,
    corpus: Annotated[str, typer.Argument(help="Manifest with columns label and speaker.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Report folder to write.", callback=local_path)],
    protocol: Annotated[
        str, typer.Option("--protocol", help="loso, kfold, session, text, fixed, or paper (leaky, to compare).")
    ] = "loso",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Groups of speakers of --protocol kfold.")] = 5,
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, separated by commas.")] = "0,1,2",
    variants: Annotated[
        str, typer.Option("--variants", help="both, spectrogram, mfcc, encoder, no-attention; or all.")
    ] = "both,encoder",
    recipe: RecipeName = DEFAULT_RECIPE,
    model: Annotated[str | None, typer.Option("--model", help="Score this fixed model instead of training.")] = None,
    train_on: Annotated[str | None, typer.Option("--train-on", help="Train on this manifest, test on CORPUS.")] = None,
    label_map: LabelMap = None,
    encoder: Encoder = None,
    layers: Layers = "",
    alexnet: AlexNet = None,
    base_model: BaseModel = DEFAULT_MODEL,
    calibrate: Annotated[
        bool, typer.Option(help="Fit each fold's temperature by inner folds over its training speakers.")
    ] = True,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep the last and the best weights of each training.")
    ] = False,
    conditions: Annotated[
        str | None,
        typer.Option(
            "--conditions",
            help="Try the tested speech under these, too: archives, or changes such as 'after 0.5, white 10, mulaw'.",
        ),
    ] = None,
    adapt: Annotated[
        str | None,
        typer.Option(
            "--adapt",
            help="Adapt to tested speakers by unlabelled utterances of theirs: speaker (all), or speaker:5,10,all.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an evaluation that was interrupted.")] = False,
    cache: Cache = None,
    ray_address: RayAddress = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Train and test on CORPUS by a protocol that cannot leak, and write a report folder."""
    from jobs.evaluate_command import evaluate_command

    run(
        lambda: evaluate_command(
            given=[name for name in context.params if _given(context, name)],
            corpus=corpus,
            output=output,
            protocol=protocol,
            folds=folds,
            seeds=seeds,
            variants=variants,
            recipe=recipe,
            model=model,
            train_on=train_on,
            label_map=label_map,
            encoder=encoder,
            layers=layers,
            alexnet=alexnet,
            base_model=base_model,
            calibrate=calibrate,
            keep_checkpoints=keep_checkpoints,
            conditions=conditions,
            adapt=adapt,
            resume=resume,
            cache=cache,
            ray_address=ray_address,
            as_json=json,
        ),
        debug=debug,
        go_on=RESUME,
    )


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


@app.command()
def reproduce(
    table: Annotated[Table, typer.Argument(help="Which table of the paper.")],
    corpus: Annotated[str, typer.Option("--corpus", help="Manifest with columns label and speaker.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.", callback=local_path)],
    seeds: Annotated[str, typer.Option("--seeds", help="Seeds, separated by commas.")] = "0,1,2",
    recipe: RecipeName = "r",
    encoders: Annotated[
        str,
        typer.Option("--encoders", help="For table5: hub ids or folders, separated by commas."),
    ] = "facebook/wav2vec2-base,facebook/wav2vec2-large,facebook/hubert-base-ls960,facebook/hubert-large-ll60k",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was interrupted.")] = False,
    cache: Cache = None,
    ray_address: RayAddress = None,
    debug: Debug = False,
) -> None:
    """Run the experiments of a table of the paper on CORPUS, strictly and as the paper does it."""
    from jobs.reproduce import reproduce_command

    run(
        lambda: reproduce_command(
            table.value,
            corpus,
            output,
            seeds=seeds,
            recipe=recipe,
            encoders=encoders,
            resume=resume,
            cache=cache,
            ray_address=ray_address,
        ),
        debug=debug,
        go_on=RESUME,
    )


@app.command()
def train(
    corpus: Annotated[str, typer.Argument(help="Manifest with columns label and speaker.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Model folder to write; its name is the model's.", callback=local_path),
    ],
    licence: Annotated[str, typer.Option("--licence", help="Licence and source of the corpus, for the model card.")],
    description: Annotated[str, typer.Option("--description", help="The corpus in a few words, for the model card.")],
    notes: Annotated[
        Path | None,
        typer.Option("--notes", help="Markdown list of further limits, for the model card.", callback=local_path),
    ] = None,
    variant: Annotated[
        str, typer.Option("--variant", help="What to train: both, spectrogram, mfcc, encoder, or no-attention.")
    ] = "both",
    seed: Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Seed of the shipped model.")] = 0,
    loso_seeds: Annotated[
        str,
        typer.Option("--loso-seeds", help="Seeds of the leave-one-speaker-out figures in the card; empty for none."),
    ] = "0,1,2",
    recipe: RecipeName = DEFAULT_RECIPE,
    label_map: LabelMap = None,
    encoder: Encoder = None,
    layers: Layers = "",
    alexnet: AlexNet = None,
    base_model: BaseModel = DEFAULT_MODEL,
    classifier_only: Annotated[
        bool,
        typer.Option(
            "--classifier-only",
            help="Keep all that makes the vectors of --base-model, and train a classifier of them; relabel applies it "
            "to outputs of that model without hearing anything again.",
        ),
    ] = False,
    cache: Cache = None,
    ray_address: RayAddress = None,
    debug: Debug = False,
) -> None:
    """Train a model on a labelled CORPUS and write its folder with card and confusion matrix."""
    from jobs.train_command import train_command

    run(
        lambda: train_command(
            corpus=corpus,
            output=output,
            licence=licence,
            description=description,
            notes=notes,
            variant=variant,
            seed=seed,
            loso_seeds=loso_seeds,
            recipe=recipe,
            label_map=label_map,
            encoder=encoder,
            layers=layers,
            alexnet=alexnet,
            base_model=base_model,
            classifier_only=classifier_only,
            cache=cache,
            ray_address=ray_address,
        ),
        debug=debug,
    )


cli_calibrate.add_to(app)
cli_relabel.add_to(app)


@model_app.command("list")
def model_list(json: Json = False, debug: Debug = False) -> None:
    """The bundled models."""
    from jobs.model import list_command

    run(lambda: list_command(as_json=json), debug=debug)


@model_app.command("show")
def model_show(
    model: Annotated[str, typer.Argument(help="Name of a bundled model, or a model folder.")] = DEFAULT_MODEL,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """One model: identity, classes, sizes, origin and card."""
    from jobs.model import show_command

    run(lambda: show_command(model, as_json=json), debug=debug)


@corpus_app.command("import")
def corpus_import(
    corpus: Annotated[
        str,
        typer.Argument(help="Which corpus: emodb, emovo, iemocap, ravdess, crema-d, msp-podcast; or generic."),
    ],
    folder: Annotated[Path, typer.Argument(help="The corpus's folder; for generic a CSV file.", callback=local_path)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Manifest to write: .csv or .parquet.", callback=local_path)
    ],
    sessions: Annotated[
        str | None, typer.Option("--sessions", help="Only these sessions, separated by commas.")
    ] = None,
    texts: Annotated[
        str | None,
        typer.Option("--texts", help="Only texts of this pattern: 'impro*' is IEMOCAP's improvised speech."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Write a manifest with label, speaker, session, text and split of a corpus."""
    from jobs.corpus import import_command

    run(lambda: import_command(corpus, folder, output, sessions=sessions, texts=texts), debug=debug)


@corpus_app.command("show")
def corpus_show(
    manifest: Annotated[str, typer.Argument(help="Manifest with columns label and speaker.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Counts of a labelled manifest per class and speaker, durations, and what is suspicious about it."""
    from jobs.corpus import show_command

    run(lambda: show_command(manifest, as_json=json), debug=debug)


@cache_app.command("info")
def cache_info(cache: Cache = None, json: Json = False, debug: Debug = False) -> None:
    """What the feature cache holds."""
    from jobs.cache import info_command

    run(lambda: info_command(cache, as_json=json), debug=debug)


@cache_app.command("clear")
def cache_clear(cache: Cache = None, debug: Debug = False) -> None:
    """Remove every feature; they are computed again when they are needed."""
    from jobs.cache import clear_command

    run(lambda: clear_command(cache), debug=debug)


cli_review.add_to(app)


def main() -> None:
    """The console script."""
    # Threads that spin while they wait cost a loaded machine up to six times the work; read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):  # as standard error: a file's name need not be UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    app()
