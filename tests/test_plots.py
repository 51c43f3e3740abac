"""Pictures: real, legible in size, of any content, always the same."""

import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from emoboost.metrics import reliability
from emoboost.plots import (
    plot_confusion,
    plot_confusion_counts,
    plot_confusion_shares,
    plot_enhancement,
    plot_learning,
    plot_reliability,
    plot_risk_coverage,
    plot_robustness,
    plot_speakers,
    plot_vectors,
    png,
    tsne,
)

COUNTS = np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
NAMES = ["anger", "$\\broken$", "a class with a very long name indeed"]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


def draw() -> dict[str, Figure]:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(3), 200)
    truth = random.integers(0, 3, 200)
    positions = random.normal(size=(200, 2))
    coverage = np.arange(1, 201) / 200
    title = "Something of $x$\ncorpus · LEAKY"
    return {
        "counts": plot_confusion_counts(COUNTS, NAMES, title),
        "shares": plot_confusion_shares(COUNTS, NAMES, title),
        "speakers": plot_speakers(["a$b$", "c"], np.array([0.0, 1.0]), np.array([3, 4]), 0.6, title),
        "many speakers": plot_speakers([str(n) for n in range(100)], random.random(100), np.full(100, 5), 0.5, title),
        "robustness": plot_robustness(["mp$3$", "white 10"], np.array([0.9, 0.4]), np.array([0.0, 1.0]), 0.92, title),
        "reliability": plot_reliability({"be$f$ore": reliability(probabilities, truth)}, title),
        "risk": plot_risk_coverage({"before": (coverage, coverage / 2)}, title),
        "learning": plot_learning([np.array([2.0, 1.0]), np.array([2.5])], [], title),
        "learning with validation": plot_learning([np.array([2.0, 1.0])], [np.array([0.4, 0.6])], title),
        "vectors": plot_vectors({"a": positions, "b": positions}, truth, NAMES, title),
        "enhancement": plot_enhancement(random.random((300, 200)), np.ones(150), 1.5, title),
        "no speech": plot_enhancement(random.random((300, 200)), np.ones(150), 0.0, title),
    }


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    return draw()


@pytest.fixture(scope="module")
def drawn(figures: dict[str, Figure]) -> dict[str, bytes]:
    return {name: png(figure) for name, figure in figures.items()}


def test_every_picture_is_one(drawn: dict[str, bytes]) -> None:
    for name, content in drawn.items():
        assert content.startswith(b"\x89PNG"), name
        pixels = imread(io.BytesIO(content), format="png")
        height, width = pixels.shape[:2]
        assert 200 < height < 1_500, name
        assert 400 < width < 1_500, name
        assert pixels[..., :3].std() > 0.03, name


def test_the_same_again(drawn: dict[str, bytes]) -> None:
    assert {name: png(figure) for name, figure in draw().items()} == drawn


def test_titles_are_shown_and_leave_no_pyplot_figure(figures: dict[str, Figure]) -> None:
    import matplotlib.pyplot as plt

    for name, figure in figures.items():
        assert "LEAKY" in "\n".join(texts(figure)), name
    assert plt.get_fignums() == []


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("counts", ["true class", "predicted class", "share of the true class (%)"]),
        ("speakers", ["speaker (utterances)", "WA: utterances labelled right (%)"]),
        ("robustness", ["test speech", "UA (%)", "labels changed (%)", "90.0", "100.0", "unchanged: 92.0 %"]),
        ("reliability", ["confidence (%)", "labels that are right (%)", "labels"]),
        ("risk", ["coverage: labels kept, most confident first (%)", "risk: wrong among those kept (%)"]),
        ("learning with validation", ["epoch", "UA on validation utterances (%)"]),
        ("enhancement", ["time (s)", "frequency (kHz)", "frame weight (times mean pooling)"]),
    ],
)
def test_axes_say_what_and_in_which_unit(name: str, labels: list[str], figures: dict[str, Figure]) -> None:
    assert set(labels) <= set(texts(figures[name]))


@pytest.mark.parametrize("name", ["reliability", "risk"])
def test_the_legend_covers_no_point(name: str, figures: dict[str, Figure]) -> None:
    figure = figures[name]
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert len(legend.get_texts()) == {"reliability": 2, "risk": 1}[name]
    for axes in figure.axes:
        assert not legend.get_window_extent().overlaps(axes.get_tightbbox())


def test_cells_of_a_confusion_matrix() -> None:
    counts = texts(plot_confusion_counts(COUNTS / 2, NAMES, "t"))
    assert {"4.0", "1.0", "0.5", "4.5", "0"} <= set(counts)
    assert {"8", "2", "1", "9", "0"} <= set(texts(plot_confusion_counts(COUNTS, NAMES, "t")))
    shares = texts(plot_confusion_shares(COUNTS, NAMES, "t"))
    assert {"80.0", "20.0", "10.0", "90.0", "0"} <= set(shares)


def test_rows_whose_weights_are_below_one_are_shares_of_themselves() -> None:
    weights = np.array([[0.3, 0.1], [0.0, 0.0]])
    assert {"75.0", "25.0", "0"} <= set(texts(plot_confusion_shares(weights, NAMES[:2], "t")))


def test_the_model_cards_picture_has_both(tmp_path: Path) -> None:
    plot_confusion(COUNTS, NAMES, "t", tmp_path / "confusion.png")
    pixels = imread(tmp_path / "confusion.png")
    assert min(pixels.shape[:2]) > 300
    assert pixels[..., :3].std() > 0.05


def test_tsne_keeps_groups_apart_and_is_repeatable() -> None:
    random = np.random.default_rng(0)
    groups = np.repeat([0, 1], 30)
    vectors = random.normal(size=(60, 8)) + 20 * groups[:, None]
    positions = tsne(vectors)
    assert positions.shape == (60, 2)
    middles = [positions[groups == group].mean(axis=0) for group in (0, 1)]
    spread = max(positions[groups == group].std() for group in (0, 1))
    assert np.linalg.norm(middles[0] - middles[1]) > 2 * spread
    np.testing.assert_array_equal(tsne(vectors), positions)


def test_tsne_of_few() -> None:
    assert np.isfinite(tsne(np.random.default_rng(0).normal(size=(10, 3)))).all()
