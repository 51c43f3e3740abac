"""The order in which a report tells what was found."""

from collections.abc import Iterator, Mapping, Sequence

from emoboost.report import tables
from emoboost.report.blocks import Block, Bullets, Notice, Paragraph, Picture, Section
from emoboost.report.figures import BASELINE, OWN
from emoboost.report.published import comparable, published_for
from emoboost.report.tables import Figures

LEAKY = Notice(
    "leaky = true.",
    "Test speakers were heard in training, or the epoch was chosen on the test fold. These figures are too good: they "
    "do not say how well the model does on people it never heard, and must not be compared with figures that do.",
)
MEANINGS = (
    "WA (weighted accuracy) is the share of all test utterances with the right label. UA (unweighted accuracy) is the "
    "mean of the classes' recalls, so that rare classes count as much as frequent ones. Both are counted once over all "
    "test utterances of all folds together (pooled), then averaged over seeds. Intervals are 95 % bootstrap intervals "
    "that resample test speakers: they show how far other speakers could move a figure, not another corpus, language "
    "or recording condition."
)
DIFFERENCES = (
    f"Differences are from {BASELINE}, in percentage points, with paired bootstrap intervals over speakers on the "
    "means over seeds: an interval that includes 0 means that no difference can be claimed. McNemar's exact test "
    "compares the two labels of each utterance, for each seed; it takes utterances as independent, which those of "
    "one speaker are not, so trust the interval more."
)

ROBUSTNESS = (
    "The same test utterances when they are changed as archives change speech (docs/training.md says what each word "
    "does). Training saw none of these copies of test speakers. The points are what the change costs or gives, with "
    "an interval paired over speakers. A label counts as changed when it is another one than that of the unchanged "
    "utterance, be it right or wrong."
)

ADAPTED = (
    "A protocol of its own, never to be compared with the strict figures above. Enrolment: utterances of each test "
    "speaker, without labels (so many, drawn anew for each draw and not tested; or all but the tested one). What they "
    "have in common beyond their emotions is taken away before the label. The unadapted UA is of the same tests. "
    "It helps with speakers who show every emotion about as often, and harms with one who speaks mostly in one; "
    "relabel leaves such a speaker alone, this protocol does not."
)


def title_of(figures: Figures) -> str:
    """Of the whole report."""
    leaky = " (leaky = true)" if figures["leaky"] else ""
    return f"Evaluation on {figures['corpus']}{leaky}"


def sections_of(figures: Figures, pictures: Mapping[str, Sequence[Picture]]) -> list[Section]:
    """Every section that there is something to say in.

    Args:
        figures: from `figures_of`.
        pictures: from `pictures_of`.
    """
    return [Section(title, blocks) for title, blocks in _sections(figures, pictures) if blocks]


def _sections(figures: Figures, pictures: Mapping[str, Sequence[Picture]]) -> Iterator[tuple[str, Sequence[Block]]]:
    yield (
        "Headline",
        [
            *([LEAKY] if figures["leaky"] else []),
            tables.headline_table(figures),
            tables.setup_table(figures),
            Paragraph(MEANINGS),
        ],
    )
    if figures["remarks"]:
        yield "Remarks", [Bullets(figures["remarks"])]
    yield "Variants", _variants(figures)
    yield "Other systems", _systems(figures)
    yield "Classes", [tables.recall_table(figures), *pictures["confusion"]]
    yield (
        "Folds and speakers",
        [
            Paragraph(
                "A pooled figure counts every utterance once. The mean of folds counts every fold once, however small, "
                "and its UA leaves out classes that a fold does not have. The two are different figures; published "
                "ones often do not say which they are. The standard deviation is over folds."
            ),
            tables.pooling_table(figures),
            tables.folds_table(figures),
            *pictures["speakers"],
            tables.speakers_table(figures),
        ],
    )
    if figures["variants"][figures["variant"]]["robustness"]:
        yield "Robustness", [Paragraph(ROBUSTNESS), *pictures["robustness"], tables.robustness_table(figures)]
    if any(variant["adapted"] for variant in figures["variants"].values()):
        yield "Adapted to the speaker", [Paragraph(ADAPTED), tables.adapted_table(figures)]
    yield "Calibration", _calibration(figures, pictures["calibration"])
    yield (
        "Risk and coverage",
        [
            Paragraph(
                "If labels below some confidence are left to people, how many labels remain, and how many of those are "
                "wrong?"
            ),
            *pictures["risk"],
            tables.risk_table(figures),
        ],
    )
    yield "Learning curves", pictures["learning"]
    yield "Utterance vectors", pictures["vectors"]
    yield "Enhancement weights", pictures["enhancement"]
    if figures["errors"]:
        yield "Most confident errors", [tables.errors_table(figures)]
    if figures["recipe"] is not None:
        yield "Recipe", [tables.recipe_table(figures)]
    yield "Provenance", [tables.provenance_table(figures)]


def _variants(figures: Figures) -> list[Block]:
    blocks: list[Block] = [tables.variants_table(figures)]
    if any(variant["difference"] for variant in figures["variants"].values()):
        blocks += [tables.differences_table(figures), Paragraph(DIFFERENCES)]
    return [*blocks, tables.seeds_table(figures)]


def _systems(figures: Figures) -> list[Block]:
    count = len(figures["classes"])
    text = (
        "Leaky means that test speakers were heard in training or that the epoch was chosen on the test fold. Compare "
        "only rows whose protocols match; a row that does not state its protocol or its number of classes cannot be "
        "compared."
    )
    if all(row["source"] == OWN for row in figures["systems"]):
        text = f"No published figures for {count} classes are kept for this corpus."
    if left_out := sum(not comparable(row, count) for row in published_for(figures["corpus"])):
        text += f" Published rows of this corpus with another number of classes than {count} are left out: {left_out}."
    return [tables.systems_table(figures), Paragraph(text)]


def _calibration(figures: Figures, pictures: Sequence[Picture]) -> list[Block]:
    text = (
        "The expected calibration error (ECE) is the mean gap between confidence and accuracy over 10 bins of equal "
        "width, weighted by the labels in each: 0 means that of the labels with 70 % confidence, 70 % are right. "
    )
    if figures["variants"][figures["variant"]]["calibration"]["after"] is None:
        text += "No temperature was fitted."
    elif figures["model"] is not None:
        text += "The model's own temperature was used; none was fitted here."
    else:
        text += "Each fold's temperature was fitted on its training speakers alone."
    return [Paragraph(text), *pictures, tables.calibration_table(figures)]
