"""No protocol lets anything of a tested speaker, sentence, session or recording into training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoboost.errors import UsageError
from emoboost.folds import PROTOCOLS, Fold, Rows, inner_folds

SPEAKERS = [f"s{n % 4}" for n in range(48)]
TEXTS = [f"t{n // 4 % 6}" for n in range(48)]
LABELS = [("anger", "fear", "neutral")[n // 16] for n in range(48)]


def rows_of(speakers: list[str], **columns: list[str]) -> Rows:
    unique = [str(number) for number in range(len(speakers))]
    nothing = [""] * len(speakers)
    values = {"label": ["x"] * len(speakers), "session": nothing, "text": nothing, "split": nothing, "audio": unique}
    return Rows(speaker=speakers, name=unique, **{**values, **columns})


CORPUS = rows_of(
    SPEAKERS,
    label=LABELS,
    text=TEXTS,
    session=[f"{int(speaker[1]) // 2}" for speaker in SPEAKERS],
    split=[("Train", "Development", "Test1", "Test2")[n % 4] for n in range(48)],
)


class TestProtocols:
    @pytest.mark.parametrize("name", ["loso", "kfold", "session", "paper"])
    def test_every_row_is_tested_once_and_nothing_is_shared(self, name: str) -> None:
        protocol = PROTOCOLS[name]
        folds = protocol.folds(CORPUS, k=3)
        assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(48))
        for fold in folds:
            assert sorted([*fold.train, *fold.test]) == list(range(48))
            for what in protocol.disjoint:
                values = getattr(CORPUS, what)
                assert not {values[row] for row in fold.train} & {values[row] for row in fold.test}

    def test_loso(self) -> None:
        folds = PROTOCOLS["loso"].folds(CORPUS)
        assert [fold.name for fold in folds] == ["s0", "s1", "s2", "s3"]
        for fold in folds:
            assert {SPEAKERS[row] for row in fold.test} == {fold.name}

    def test_kfold_groups_speakers(self) -> None:
        folds = PROTOCOLS["kfold"].folds(CORPUS, k=2)
        assert [{SPEAKERS[row] for row in fold.test} for fold in folds] == [{"s0", "s2"}, {"s1", "s3"}]

    def test_text_holds_out_speaker_and_sentences(self) -> None:
        folds = PROTOCOLS["text"].folds(CORPUS)
        assert len(folds) == 8
        assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(48))
        for fold in folds:
            assert not {TEXTS[row] for row in fold.train} & {TEXTS[row] for row in fold.test}
            assert not {SPEAKERS[row] for row in fold.train} & {SPEAKERS[row] for row in fold.test}

    def test_fixed_is_the_corpus_own(self) -> None:
        folds = PROTOCOLS["fixed"].folds(CORPUS)
        assert [fold.name for fold in folds] == ["test1", "test2"]
        for fold in folds:
            assert {CORPUS.split[row] for row in fold.train} == {"Train"}

    def test_paper_shares_speakers_below_ten(self) -> None:
        folds = PROTOCOLS["paper"].folds(CORPUS)
        assert len(folds) == 10
        for fold in folds:
            counts = [sum(LABELS[row] == label for row in fold.test) for label in sorted(set(LABELS))]
            assert max(counts) - min(counts) <= 1
            assert len(fold.test) in (4, 5)
        assert any({SPEAKERS[r] for r in fold.train} & {SPEAKERS[r] for r in fold.test} for fold in folds)

    def test_paper_leaves_a_speaker_out_from_ten_on(self) -> None:
        many = rows_of([f"{n % 10:02}" for n in range(40)])
        assert [fold.name for fold in PROTOCOLS["paper"].folds(many)] == [f"{n:02}" for n in range(10)]

    def test_only_the_leaky_one_chooses_its_epoch_on_the_test_fold(self) -> None:
        assert [name for name, protocol in PROTOCOLS.items() if protocol.leaky] == ["paper"]
        for name, protocol in PROTOCOLS.items():
            for fold in protocol.folds(CORPUS, k=2):
                assert fold.validation.tolist() == (fold.test.tolist() if name == "paper" else [])

    @given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=30), st.sampled_from(["loso", "kfold"]))
    def test_any_speakers(self, speakers: list[str], name: str) -> None:
        rows = rows_of(speakers)
        if len(set(speakers)) < 2:
            with pytest.raises(UsageError):
                PROTOCOLS[name].folds(rows, k=2)
            return
        folds = PROTOCOLS[name].folds(rows, k=2)
        assert sorted(row for fold in folds for row in fold.test) == list(range(len(speakers)))
        for fold in folds:
            assert not {speakers[row] for row in fold.train} & {speakers[row] for row in fold.test}


class TestRefused:
    def test_a_shared_value(self) -> None:
        with pytest.raises(UsageError, match=r"fold 1: speaker b is in training \(y\) and in test \(z\); correct"):
            Fold("1", np.array([0, 1]), np.array([2]), {"speaker": ["a", "b", "b"]}, ["x", "y", "z"])

    def test_equal_audio_under_two_speakers(self) -> None:
        rows = rows_of(["a", "b", "c"], audio=["1", "2", "1"])
        with pytest.raises(UsageError, match=r"fold a: audio 1 is in training \(2\) and in test \(0\)"):
            PROTOCOLS["loso"].folds(rows)

    def test_a_speaker_of_two_sessions(self) -> None:
        rows = rows_of(["a", "b", "a"], session=["1", "2", "2"])
        with pytest.raises(UsageError, match="speaker a is in training"):
            PROTOCOLS["session"].folds(rows)

    def test_fewer_speakers_than_folds(self) -> None:
        with pytest.raises(UsageError, match="5 folds asked for, the corpus has 4 speakers; choose 2 to 4"):
            PROTOCOLS["kfold"].folds(CORPUS, k=5)

    @pytest.mark.parametrize(("name", "what"), [("session", "session"), ("text", "text"), ("fixed", "split")])
    def test_a_missing_column(self, name: str, what: str) -> None:
        with pytest.raises(UsageError, match=f"protocol {name} needs a {what} for every row; 0 has none"):
            PROTOCOLS[name].folds(rows_of(["a", "b"]))

    def test_nothing_to_train_on(self) -> None:
        with pytest.raises(UsageError, match="no row has the split train; column split holds Training, test"):
            PROTOCOLS["fixed"].folds(rows_of(["a", "b"], split=["Training", "test"]))
        with pytest.raises(UsageError, match="fold a-1: training is empty"):
            PROTOCOLS["text"].folds(rows_of(["a", "b"], text=["t", "t"]))

    def test_nothing_to_test(self) -> None:
        with pytest.raises(UsageError, match="protocol fixed: no row is to be tested; column split holds dev, train"):
            PROTOCOLS["fixed"].folds(rows_of(["a", "b"], split=["train", "dev"]))


class TestValidation:
    def test_is_the_next_training_speaker(self) -> None:
        folds = PROTOCOLS["loso"].folds(CORPUS, validated=True)
        chosen = [{SPEAKERS[row] for row in fold.validation} for fold in folds]
        assert chosen == [{"s1"}, {"s2"}, {"s3"}, {"s0"}]
        for fold in folds:
            assert sorted([*fold.train, *fold.test, *fold.validation]) == list(range(48))

    def test_is_the_corpus_own_development_set(self) -> None:
        for fold in PROTOCOLS["fixed"].folds(CORPUS, validated=True):
            assert {CORPUS.split[row] for row in fold.validation} == {"Development"}

    def test_is_the_test_fold_where_the_protocol_leaks(self) -> None:
        for fold in PROTOCOLS["paper"].folds(CORPUS):
            assert fold.free_validation
            np.testing.assert_array_equal(fold.validation, fold.test)

    def test_is_whole_sessions_where_sessions_are_kept_apart(self) -> None:
        sessions = [("1", "2", "3")[int(speaker[1]) % 3] for speaker in SPEAKERS]
        corpus = rows_of(SPEAKERS, session=sessions, label=LABELS)
        folds = PROTOCOLS["session"].folds(corpus, validated=True)
        assert [{sessions[row] for row in fold.validation} for fold in folds] == [{"2"}, {"3"}, {"1"}]
        for fold in folds:
            assert sorted([*fold.train, *fold.test, *fold.validation]) == list(range(48))

    def test_may_say_what_training_says_but_not_what_is_tested(self) -> None:
        for fold in PROTOCOLS["text"].folds(CORPUS, validated=True):
            said, tested = ({TEXTS[row] for row in rows} for rows in (fold.validation, fold.test))
            assert said
            assert not said & tested
            assert len({SPEAKERS[row] for row in [*fold.validation, *fold.test]}) == 2

    def test_needs_a_second_training_speaker(self) -> None:
        with pytest.raises(UsageError, match="early stopping needs a second training speaker"):
            PROTOCOLS["loso"].folds(rows_of(["a", "b"]), validated=True)

    def test_may_not_share_a_speaker(self) -> None:
        speakers = ["a", "a", "b", "c"]
        sides = (np.array([0]), np.array([2]), {"speaker": speakers}, ["w", "x", "y", "z"])
        Fold("f", *sides, validation=np.array([3]))
        with pytest.raises(UsageError, match=r"fold f: speaker a is in training \(w\) and in validation \(x\)"):
            Fold("f", *sides, validation=np.array([1]))

    @given(st.data())
    def test_never_touches_test_or_training_speakers(self, data: st.DataObject) -> None:
        speakers = data.draw(st.lists(st.sampled_from("abcdef"), min_size=6, max_size=40))
        if len(set(speakers)) < 3:
            return
        for fold in PROTOCOLS["loso"].folds(rows_of(speakers), validated=True):
            sides = [{speakers[row] for row in rows} for rows in (fold.train, fold.test, fold.validation)]
            assert all(sides)
            assert sum(map(len, sides)) == len(set(speakers))


class TestInnerFolds:
    def test_divide_the_training_speakers_only(self) -> None:
        for fold in PROTOCOLS["loso"].folds(CORPUS):
            inner = inner_folds(fold, CORPUS)
            assert len(inner) == 3
            assert sorted(np.concatenate([part.test for part in inner])) == sorted(fold.train)
            for part in inner:
                assert not set(part.train.tolist()) & set(fold.test.tolist())
                assert not {SPEAKERS[r] for r in part.train} & {SPEAKERS[r] for r in part.test}

    def test_have_no_test_of_a_class_that_they_do_not_train(self) -> None:
        corpus = rows_of([f"s{n % 4}" for n in range(16)], label=["x"] * 12 + ["x", "y", "y", "x"])
        fold = PROTOCOLS["loso"].folds(corpus)[1]
        assert {corpus.speaker[row] for row in fold.train if corpus.label[row] == "y"} == {"s2"}
        inner = inner_folds(fold, corpus)
        assert len(inner) == 3
        assert {corpus.label[row] for part in inner for row in part.test} == {"x"}

    def test_choose_the_epoch_as_their_fold_does(self) -> None:
        for fold in PROTOCOLS["loso"].folds(CORPUS, validated=True):
            for part in inner_folds(fold, CORPUS):
                np.testing.assert_array_equal(part.validation, fold.validation)
                assert not {SPEAKERS[r] for r in part.validation} & {SPEAKERS[r] for r in [*part.train, *part.test]}

    def test_none_with_one_training_speaker(self) -> None:
        first, _ = PROTOCOLS["loso"].folds(rows_of(["a", "a", "b"]))
        assert inner_folds(first, rows_of(["a", "a", "b"])) == []


def test_a_class_of_one_speaker_is_refused_where_nobody_else_trains_it() -> None:
    rows = rows_of(["a", "a", "b", "b"], label=["x", "y", "x", "x"])
    with pytest.raises(UsageError, match=r"fold a: class y \(1\) is tested, but nobody in training speaks it"):
        PROTOCOLS["loso"].folds(rows)
