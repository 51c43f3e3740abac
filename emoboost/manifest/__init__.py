"""Read and check any supported manifest: CSV, TSV, Parquet, a folder or a glob of audio, local or in a store."""

from emoboost.manifest.reader import Manifest, open_manifest

__all__ = ["Manifest", "open_manifest"]
