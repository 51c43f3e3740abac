"""Published corpora as manifests: one importer a corpus, each giving the same rows."""

from collections.abc import Callable, Mapping
from pathlib import Path

from emoboost.corpora import emodb
from emoboost.corpora.row import CorpusRow

IMPORTERS: Mapping[str, Callable[[Path], list[CorpusRow]]] = {"emodb": emodb.rows}
"""Corpus name -> function from its folder to its rows, sorted by file name."""

__all__ = ["IMPORTERS", "CorpusRow"]
