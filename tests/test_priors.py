"""Correction for another mix of classes: a plain loop says the same, and a known mix is found again."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from scipy.special import softmax
from scipy.stats import norm
from tiny_model import CLASSES, tiny_config

from emoboost.errors import ModelError, UsageError
from emoboost.priors import corrected, estimate, parse_prior, trained_on

UNIFORM = np.full(4, 0.25)
MIX = np.array([0.1, 0.2, 0.3, 0.4])
SHARES = {"anger": 0.4, "happiness": 0.3, "neutral": 0.2, "sadness": 0.1}

mixes = arrays(np.float64, 4, elements=st.floats(0.01, 1)).map(lambda values: values / values.sum())
rows = arrays(np.float64, (5, 4), elements=st.floats(-20, 20)).map(lambda values: softmax(values, axis=1))


def overlapping(mix: np.ndarray, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Speech of four classes in this mix, and what a model that knows the world says of it after learning with `MIX`.

    Returns:
        (n,) classes and (n, 4) posteriors: exact, because the world is four bells on a line.
    """
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, n, p=mix)
    heard = rng.normal(1.5 * truth, 1.0)
    likelihood = norm.pdf(heard[:, None], 1.5 * np.arange(4), 1.0)
    joint = likelihood * MIX
    return truth, joint / joint.sum(axis=1, keepdims=True)


class TestCorrected:
    def test_equals_a_plain_loop(self) -> None:
        rng = np.random.default_rng(0)
        given_shares = rng.dirichlet(np.ones(4), 50)
        found = corrected(given_shares.astype(np.float32), UNIFORM, MIX)
        for row, shares in enumerate(given_shares.astype(np.float32).tolist()):
            products = [share * wanted / 0.25 for share, wanted in zip(shares, MIX.tolist(), strict=True)]
            for column, product in enumerate(products):
                assert found[row, column] == pytest.approx(product / sum(products), abs=1e-12)
        assert found.dtype == np.float64

    @given(rows, mixes)
    def test_the_mix_it_learned_with_changes_nothing(self, shares: np.ndarray, mix: np.ndarray) -> None:
        np.testing.assert_allclose(corrected(shares, mix, mix), shares, atol=1e-12)

    @given(rows, mixes, mixes)
    def test_sums_to_1_and_can_be_undone(self, shares: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
        there = corrected(shares, first, second)
        np.testing.assert_allclose(there.sum(axis=1), 1)
        np.testing.assert_allclose(corrected(there, second, first), shares, atol=1e-9)

    @given(rows, mixes, st.floats(0.1, 100))
    def test_only_the_ratios_of_shares_count(self, shares: np.ndarray, mix: np.ndarray, factor: float) -> None:
        np.testing.assert_allclose(corrected(shares, UNIFORM * factor, mix), corrected(shares, UNIFORM, mix * factor))

    def test_is_what_a_model_says_that_learned_with_that_mix(self) -> None:
        other = np.array([0.7, 0.1, 0.1, 0.1])
        _, shares = overlapping(other, 1_000, 0)
        heard_anew = shares / MIX * other
        np.testing.assert_allclose(
            corrected(shares, MIX, other), heard_anew / heard_anew.sum(axis=1, keepdims=True), atol=1e-12
        )

    def test_an_utterance_without_audio_stays_without(self) -> None:
        found = corrected(np.array([[0, 0, 0, 0], [1, 0, 0, 0]], np.float32), UNIFORM, MIX)
        assert found.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]]

    @pytest.mark.parametrize("share", [0.0, -0.1, float("nan"), float("inf")])
    def test_no_share_of_nothing(self, share: float) -> None:
        broken = np.array([0.5, 0.3, 0.2, share])
        with pytest.raises(ValueError, match=r"^prior: .* are not all positive"):
            corrected(UNIFORM[None], UNIFORM, broken)
        with pytest.raises(ValueError, match=r"^trained_on: .* are not all positive"):
            corrected(UNIFORM[None], broken, UNIFORM)


class TestEstimate:
    def test_equals_a_plain_loop(self) -> None:
        _, shares = overlapping(np.array([0.6, 0.2, 0.1, 0.1]), 200, 1)
        prior = MIX.tolist()
        for _ in range(7):
            sums = [0.0] * 4
            for row in shares.tolist():
                products = [p * new / old for p, new, old in zip(row, prior, MIX.tolist(), strict=True)]
                sums = [total + product / sum(products) for total, product in zip(sums, products, strict=True)]
            prior = [total / len(shares) for total in sums]
        np.testing.assert_allclose(estimate(shares, MIX, tolerance=0, iterations=7), prior, atol=1e-12)

    def test_is_the_mix_that_makes_the_speech_most_likely(self) -> None:
        _, shares = overlapping(np.array([0.6, 0.2, 0.1, 0.1]), 400, 2)
        best = minimize(
            lambda point: -np.log(shares @ (softmax(point) / MIX)).sum(), np.zeros(4), method="BFGS", tol=1e-8
        )
        np.testing.assert_allclose(estimate(shares, MIX), softmax(best.x), atol=1e-4)

    @settings(max_examples=10, deadline=None)
    @given(mixes, st.integers(0, 1_000))
    def test_finds_a_known_mix(self, mix: np.ndarray, seed: int) -> None:
        truth, shares = overlapping(mix, 5_000, seed)
        there = np.bincount(truth, minlength=4) / len(truth)
        np.testing.assert_allclose(estimate(shares, MIX), there, atol=0.07)
        assert np.abs(estimate(shares, MIX) - there).sum() <= np.abs(shares.mean(axis=0) - there).sum() + 0.07

    def test_is_the_same_each_time_and_stops(self) -> None:
        _, shares = overlapping(np.array([0.97, 0.01, 0.01, 0.01]), 500, 3)
        first = estimate(shares, MIX)
        assert first.tolist() == estimate(shares, MIX).tolist()
        np.testing.assert_allclose(estimate(shares, MIX, iterations=100_000), first, atol=1e-6)

    def test_a_class_that_nothing_speaks_for_keeps_a_share_that_can_be_divided_by(self) -> None:
        shares = np.array([[0.5, 0.5, 0.0, 0.0]] * 3)
        found = estimate(shares, UNIFORM)
        assert (found > 0).all()
        assert found[2] < 1e-9
        assert np.isfinite(corrected(shares, UNIFORM, found)).all()

    def test_utterances_without_audio_do_not_count(self) -> None:
        _, shares = overlapping(UNIFORM, 100, 4)
        assert estimate(np.vstack([shares, np.zeros((50, 4))]), MIX).tolist() == estimate(shares, MIX).tolist()
        with pytest.raises(ValueError, match="no row has a probability"):
            estimate(np.zeros((3, 4)), MIX)


class TestTrainedOn:
    def test_of_a_model_that_says(self) -> None:
        found, remark = trained_on(tiny_config(training={"class_shares": SHARES}))
        assert found.tolist() == pytest.approx([0.4, 0.3, 0.2, 0.1])
        assert remark is None

    def test_of_a_model_that_does_not_say(self) -> None:
        found, remark = trained_on(tiny_config())
        assert found.tolist() == UNIFORM.tolist()
        assert remark == (
            "tiny does not say how frequent its classes were in training; all are taken as equally frequent"
        )

    @pytest.mark.parametrize("recipe", [{"class_weights": True}, {"shrinkage": 0.5, "class_weights": False}])
    def test_of_a_training_where_all_classes_weighed_the_same(self, recipe: dict[str, object]) -> None:
        training = {"class_shares": SHARES, "recipe": recipe}
        assert trained_on(tiny_config(training=training))[0].tolist() == UNIFORM.tolist()
        training["recipe"] = {"class_weights": False, "shrinkage": None}
        assert trained_on(tiny_config(training=training))[0].tolist() != UNIFORM.tolist()

    def test_a_calibration_counts_more_than_the_training(self) -> None:
        other = dict(zip(CLASSES, (0.1, 0.1, 0.1, 0.7), strict=True))
        training = {
            "class_shares": SHARES,
            "recipe": {"class_weights": True},
            "calibration": {"class_shares": other},
        }
        assert trained_on(tiny_config(training=training))[0].tolist() == pytest.approx([0.1, 0.1, 0.1, 0.7])

    @pytest.mark.parametrize(
        "shares",
        [
            {"anger": 1},
            {**SHARES, "joy": 0.1},
            {**SHARES, "anger": 0},
            {**SHARES, "anger": -1},
            {**SHARES, "anger": "0.4"},
            {**SHARES, "anger": True},
            {**SHARES, "anger": float("nan")},
            [0.25] * 4,
            None,
        ],
        ids=str,
    )
    @pytest.mark.parametrize("where", ["training", "training: calibration"])
    def test_refuses_what_are_no_shares(self, shares: object, where: str) -> None:
        training: dict[str, object] = {"class_shares": shares}
        config = tiny_config(training=training if where == "training" else {"calibration": training})
        with pytest.raises(ModelError, match=rf"^m/config\.json: {where}: class_shares: .* must give each class a pos"):
            trained_on(config, "m/config.json")


class TestParsePrior:
    def parse(self, text: str | Path) -> np.ndarray | None:
        return parse_prior(str(text), CLASSES, MIX)

    def test_words(self) -> None:
        assert self.parse("estimate") is None
        uniform, train = self.parse("uniform"), self.parse("train")
        assert uniform is not None
        assert train is not None
        np.testing.assert_array_equal(uniform, UNIFORM)
        np.testing.assert_allclose(train, MIX)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("mix.yaml", "# of the calls\nangry: 1\nhappiness: 2\nNeutral: 4\nsad: 1\n"),
            ("mix", "{anger: 1, happiness: 2, neutral: 4, sadness: 1}"),
            ("mix.json", '{"sadness": 0.125, "neutral": 0.5, "happiness": 0.25, "anger": 0.125}'),
            ("mix.csv", "class,share\nanger,1\njoy, 2\nneutral,4\n\nsadness,1e0\n"),
            ("mix.csv", "\ufeffanger,1\nhappiness,2\nneutral,4\nsadness,1\n"),
            ("mix.TSV", "anger\t1\nhappiness\t2\nneutral\t4\nsadness\t1"),
        ],
    )
    def test_files(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = self.parse(tmp_path / name)
        assert found is not None
        assert found.tolist() == [0.125, 0.25, 0.5, 0.125]

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("m.yaml", "anger: 1\nhapiness: 1\n", r"line 2: 'hapiness' is none of the model's classes, perhaps 'happi"),
            ("m.yaml", "boredom: 1\n", r"line 1: 'boredom' is none of the model's classes; they are anger, happiness"),
            ("m.yaml", "anger: 1\nsad: 1\n", r"no share for happiness, neutral; name every class, a rare one with a"),
            ("m.yaml", "anger: 1\nangry: 2\n", r"line 2: 'angry' has a share already; remove one of the two lines"),
            ("m.yaml", "anger: 1\nanger: 1\n", r"line 2: 'anger' has a share already"),
            ("m.yaml", "anger: 0\n", r"line 1: share '0' must be a positive number, such as 0\.2"),
            ("m.yaml", "anger: -1\n", r"line 1: share '-1' must be a positive number"),
            ("m.yaml", "anger: .nan\n", r"line 1: share '\.nan' must be a positive number"),
            ("m.yaml", "anger: inf\n", r"line 1: share 'inf' must be a positive number"),
            (
                "m.yaml",
                "anger: 1e308\n",
                r"line 1: share '1e308' must be a positive number, such as 0\.2 \(1e-09 to 1e\+09\)",
            ),
            ("m.yaml", "anger: 1e-308\n", r"line 1: share '1e-308' must be a positive number"),
            ("m.yaml", "anger: 20%\n", r"line 1: share '20%' must be a positive number"),
            ("m.yaml", "anger: [1]\n", r"line 1: must be a class and a share, such as 'anger: 0\.2'"),
            ("m.yaml", "- anger\n", r"must have lines such as 'anger: 0\.2'"),
            ("m.yaml", "", r"must have lines such as"),
            ("m.yaml", "anger: {\n", r"not YAML \("),
            ("m.yaml", "[" * 5_000, r"not YAML|must have lines"),
            ("m.csv", "anger,1,2\n", r"line 1: has 3 cells, must have 2: class and share"),
            ("m.csv", "anger,x\n", r"line 1: share 'x' must be"),
            ("m.csv", "", r"no share for anger, happiness, neutral, sadness"),
            ("m.csv", "anger," + "1" * 200_000, r"line 1: (not CSV \(field larger|share '1)"),
            ("m.yaml", " " * 2**20 + "\n", r"has more than 1,048,576 bytes; give a file with one line a class"),
        ],
        ids=lambda value: value[:30] if isinstance(value, str) else "",
    )
    def test_refuses(self, tmp_path: Path, name: str, text: str, message: str) -> None:
        (tmp_path / name).write_text(text)
        with pytest.raises(UsageError, match=rf"^{tmp_path}/{name}: .*{message}" if message[0] != "(" else message):
            self.parse(tmp_path / name)

    def test_not_utf_8(self, tmp_path: Path) -> None:
        (tmp_path / "m.yaml").write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match=r"m\.yaml: cannot be read \(.*; give a text file with lines such as"):
            self.parse(tmp_path / "m.yaml")

    def test_neither_word_nor_file(self) -> None:
        words = r"^'unifrom': no such mix of classes; give train, uniform, estimate, or a"
        with pytest.raises(UsageError, match=words):
            self.parse("unifrom")

    def test_classes_that_are_no_emotions(self, tmp_path: Path) -> None:
        (tmp_path / "m.yaml").write_text("HIGH: 3\nlow: 1\n")
        found = parse_prior(str(tmp_path / "m.yaml"), ("high", "low"), UNIFORM[:2])
        assert found is not None
        assert found.tolist() == [0.75, 0.25]


def test_a_corrected_model_is_right_more_often() -> None:
    """The whole way: an unlabelled archive, its mix estimated, its labels corrected."""
    truth, shares = overlapping(np.array([0.85, 0.05, 0.05, 0.05]), 5_000, 5)
    config = dataclasses.replace(
        tiny_config(), training={"class_shares": dict(zip(CLASSES, MIX.tolist(), strict=True))}
    )
    learned, _ = trained_on(config)
    right = (corrected(shares, learned, estimate(shares, learned)).argmax(axis=1) == truth).mean()
    assert right > (shares.argmax(axis=1) == truth).mean() + 0.05
