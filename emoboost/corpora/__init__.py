"""Published corpora as manifests: one importer a corpus, each giving the same rows."""

from collections.abc import Callable, Mapping
from pathlib import Path

from emoboost.corpora import crema_d, emodb, emovo, generic, iemocap, msp_podcast, ravdess
from emoboost.corpora.row import CorpusRow, Imported, LeftOut

IMPORTERS: Mapping[str, Callable[[Path], Imported]] = {
    "emodb": emodb.read,
    "emovo": emovo.read,
    "iemocap": iemocap.read,
    "ravdess": ravdess.read,
    "crema-d": crema_d.read,
    "msp-podcast": msp_podcast.read,
    "generic": generic.read,
}
"""Corpus name -> function from its folder (of `generic`: its CSV file) to its rows."""

__all__ = ["IMPORTERS", "CorpusRow", "Imported", "LeftOut"]
