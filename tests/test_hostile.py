"""A stranger's archive: every input ends in one row or one message, and none harms its neighbours or the machine."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hostile.case import Hostile
from hostile.corpus import make_hostile_corpus
from hostile.encodings import CONTAINERS
from hostile.isolation import MIB, End, Ending, Isolated
from hostile.manifests import HostileManifest, make_hostile_manifests
from hostile.work import OK, Prepare, Seen, plan_manifest
from reading import CLIP, REPOSITORY
from tiny_model import tiny_config

from emoboost.audio import resolve
from emoboost.defaults import MAX_SECONDS
from emoboost.manifest.listing import AUDIO_SUFFIXES
from emoboost.predict import preparation_for
from emoboost.utterance import Utterance

SEED = 20_261_125
SECONDS = 20.0
"""For one input; the slowest, ten hours of silence of unknown length, takes about one."""
MEMORY = 1_536 * MIB
PEAK = 1_024 * MIB


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Hostile]]:
    folder = tmp_path_factory.mktemp("hostile")
    return folder, make_hostile_corpus(folder, SEED)


@pytest.fixture(scope="module")
def endings(corpus: tuple[Path, list[Hostile]]) -> dict[str, Ending]:
    """Every input with a good recording behind it, each read in a process that may die of it."""
    folder, inputs = corpus
    with Isolated(_prepare(folder), seconds=SECONDS, memory=MEMORY) as prepared:
        return {each.name: prepared([_utterance(each), GOOD]) for each in inputs}


GOOD = Utterance("good", str(REPOSITORY / "examples/audio/emodb/03a01Wa.flac"))


def _prepare(folder: Path) -> Prepare:
    return Prepare(preparation_for(tiny_config(), base=str(folder), max_seconds=MAX_SECONDS))


def _utterance(each: Hostile) -> Utterance:
    return Utterance(each.name, each.uri, each.channel, each.start, each.end)


def test_the_corpus_is_large_and_has_every_ending(corpus: tuple[Path, list[Hostile]]) -> None:
    _, inputs = corpus
    assert len(inputs) >= 200
    assert len({each.name for each in inputs}) == len(inputs)
    whole = {Path(each.uri).suffix for each in inputs if each.uri.startswith("whole/")}
    assert whole == set(AUDIO_SUFFIXES) == set(CONTAINERS)


def test_the_corpus_is_the_same_for_the_same_seed(
    corpus: tuple[Path, list[Hostile]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    def content(folder: Path, inputs: list[Hostile]) -> dict[str, bytes]:
        kept = [each for each in inputs if each.uri.startswith(("whole/", "cut/", "damaged/", "headers/"))]
        return {each.name: (folder / each.uri).read_bytes() for each in kept}

    first = content(*corpus)
    for seed, same in ((SEED, True), (SEED + 1, False)):
        folder = tmp_path_factory.mktemp("again")
        again = content(folder, make_hostile_corpus(folder, seed))
        assert again.keys() == first.keys()
        changed = {name for name in first if again[name] != first[name]}
        if same:
            assert changed == set()
        else:
            assert len(changed) > 50
            assert all("_damaged_" in name for name in changed)


def test_no_input_ends_the_process_or_takes_it_over(endings: dict[str, Ending]) -> None:
    assert {name: str(ending) for name, ending in endings.items() if ending.end is not End.RETURNED} == {}
    assert {name: str(ending) for name, ending in endings.items() if ending.peak > PEAK} == {}
    assert {name: str(ending) for name, ending in endings.items() if ending.seconds > SECONDS / 2} == {}


def test_every_input_ends_as_it_should(corpus: tuple[Path, list[Hostile]], endings: dict[str, Ending]) -> None:
    wrong = {}
    for each in corpus[1]:
        seen: Seen = endings[each.name].value
        outcome, _ = seen.outcomes
        if outcome.error_type not in each.ends:
            wrong[each.name] = (outcome.error_type, outcome.error_message)
        assert (outcome.error_type is None) == (outcome.n_segments > 0) == (outcome.error_message is None)
    assert wrong == {}


def test_errors_begin_with_their_file(corpus: tuple[Path, list[Hostile]], endings: dict[str, Ending]) -> None:
    folder, inputs = corpus
    for each in inputs:
        message = endings[each.name].value.outcomes[0].error_message
        if message is not None:
            location = resolve(each.uri, str(folder))
            assert message.startswith(f"{location}: "), message
            assert len(message) > len(location) + 10


def test_what_holds_the_clip_gives_the_inputs_of_the_clip(
    corpus: tuple[Path, list[Hostile]], endings: dict[str, Ending]
) -> None:
    folder, inputs = corpus
    alike = [each for each in inputs if each.like is not None]
    assert len(alike) >= 100
    (expected,) = _prepare(folder)([Utterance("clip", str(alike[0].like))]).digests
    assert {each.like for each in alike} == {alike[0].like}
    assert [each.name for each in alike if endings[each.name].value.digests[0] != expected] == []


def test_the_good_ones_between_are_as_if_alone(corpus: tuple[Path, list[Hostile]], endings: dict[str, Ending]) -> None:
    ((outcome,), (digest,)) = _prepare(corpus[0])([GOOD])
    assert outcome.n_segments > 0
    seen = [ending.value for ending in endings.values()]
    assert Counter(each.digests[1] for each in seen) == {digest: len(seen)}
    assert {each.outcomes[1] for each in seen} == {outcome}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> list[HostileManifest]:
    return make_hostile_manifests(tmp_path_factory.mktemp("manifests"), CLIP, SEED)


def test_every_manifest_ends_in_a_plan_or_one_message(manifests: list[HostileManifest]) -> None:
    with Isolated(plan_manifest, seconds=SECONDS, memory=MEMORY) as planned:
        endings = {each.name: planned(each.given) for each in manifests}
    assert len(endings) == len(manifests)
    assert {name: str(ending) for name, ending in endings.items() if ending.end is not End.RETURNED} == {}
    assert {name: str(ending) for name, ending in endings.items() if ending.peak > PEAK} == {}
    for each in manifests:
        message = endings[each.name].value
        if each.message is None:
            assert message == OK, each.name
        else:
            assert re.search(each.message, message), (each.name, message)
            assert len(message) < 10_000 + 30 * len(each.given), each.name
            assert "Traceback" not in message
