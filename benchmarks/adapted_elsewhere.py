"""What `relabel --adapt` gives a model on another corpus: speakers as they are, and speakers made one-sided.

Reads an output that keeps vectors, and adapts to its speakers as `relabel` does, guard included. Of a label map's
classes the likeliest is taken, as `evaluate --model` does. Then archives of 20 of a speaker's utterances are drawn and
labelled as in `one_sided.py`, by the model's own classifiers, with any of its classes.

    emoboost-batch annotate emovo.parquet --embeddings --output emovo-vectors
    python benchmarks/adapted_elsewhere.py emovo.parquet emovo-vectors
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from comparison import compared
from one_sided import Archive, Speaker, table

from emoboost.access import Access
from emoboost.adaptation import AdaptationConfig, AdaptedHead
from emoboost.classifier import Classifier
from emoboost.corpus import Corpus, read_corpus
from emoboost.embeddings import ShardVectors
from emoboost.label_maps import load_label_map
from emoboost.relabel import Relabelling
from emoboost.segment_means import consecutive_means
from emoboost.verify import model_of
from emoboost.voices import Guard, Listening
from jobs.outputs import ledger_of
from jobs.relabel_plan import Source, speaker_column

MAPS = ("four", "six")


@dataclass(frozen=True)
class Heard:
    """The labelled utterances of an output."""

    classifier: Classifier
    head: AdaptedHead
    row: dict[str, int]
    """Utterance id -> its row in what follows."""
    speakers: list[str | None]
    vectors: ShardVectors

    @classmethod
    def of(cls, output: str) -> Self:
        """All of them, by the model that made them."""
        ledger = ledger_of(output, {})
        classifier = Classifier.of(model_of(ledger.plan, None, Access()))
        assert classifier.adapted is not None
        source = Source(ledger, speaker_column(ledger.plan, "speaker"))
        ids, speakers, segments, counts = [], [], [], []
        for _, part, vectors, names in source.parts(range(ledger.plan.shards)):
            ids += [part["utterance_id"][row].as_py() for row in vectors.rows]
            speakers += [names[row] for row in vectors.rows]
            segments.append(vectors.segments)
            counts.append(vectors.counts)
        together = ShardVectors(np.arange(len(ids)), np.concatenate(counts), np.concatenate(segments))
        return cls(classifier, classifier.adapted, {name: row for row, name in enumerate(ids)}, speakers, together)

    def rows(self, corpus: Corpus) -> np.ndarray:
        """(utterances,) of a corpus."""
        return np.array([self.row[each.utterance_id] for each in corpus.utterances])


def in_maps(heard: Heard, manifest: str) -> Iterator[str]:
    """Lines of a table: UA as it is and adapted, from all utterances of each speaker."""
    listening, relabelling = Listening(heard.classifier, heard.head), Relabelling(heard.classifier)
    plain = relabelling.plain(heard.vectors)
    listening.hear(heard.speakers, consecutive_means(heard.vectors.segments, heard.vectors.counts), plain)
    voices = listening.voices(Guard(), AdaptationConfig())
    adapted = Relabelling(heard.classifier, voices).adapted(plain, heard.vectors, heard.speakers)
    yield f"{len(voices.offsets)} speakers adapted to, {len(voices.reasons)} not"
    yield "| classes | labels | UA | 95 % interval | difference |\n|---|---|---|---|---|"
    for name in MAPS:
        corpus = read_corpus(manifest, load_label_map(name))
        columns = [heard.classifier.config.classes.index(label) for label in corpus.classes]
        was, now = (scores[heard.rows(corpus)][:, columns].argmax(axis=1) for scores in (plain, adapted))
        yield f"| {name} | as they are | {compared(corpus, was, was)} |"
        yield f"| {name} | adapted | {compared(corpus, now, was)} |"


def one_sided(heard: Heard, manifest: str) -> Iterator[Archive]:
    """Draws of every speaker, of the classes that the model has."""
    classes, random = heard.classifier.config.classes, np.random.default_rng(0)
    corpus = read_corpus(manifest, {name: name for name in classes})
    vectors = consecutive_means(heard.vectors.segments, heard.vectors.counts)[heard.rows(corpus)]
    plain, truth, speakers = heard.classifier.logits(vectors), corpus.class_numbers(classes), np.array(corpus.speakers)
    for speaker in sorted(set(corpus.speakers)):
        own = speakers == speaker
        held = Speaker(speaker, vectors[own], plain[own], truth[own])
        yield from held.archives(heard.head, classes.index("neutral"), random)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", help="a labelled corpus, as evaluate reads it")
    parser.add_argument("output", help="of annotate --embeddings, for this manifest")
    given = parser.parse_args()
    heard = Heard.of(given.output)
    print(*in_maps(heard, given.manifest), sep="\n")
    print(*table(list(one_sided(heard, given.manifest))), sep="\n")


if __name__ == "__main__":
    main()
