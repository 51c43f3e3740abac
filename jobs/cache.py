"""`emoboost-batch cache`: what the feature cache holds, and how to get rid of it."""

import json
from dataclasses import asdict
from pathlib import Path

from emoboost.errors import UsageError
from emoboost.feature_cache import cache_use, clear_cache, default_cache
from emoboost.printable import printable
from jobs.console import tell
from jobs.exits import Exit


def info_command(cache: Path | None, *, as_json: bool) -> Exit:
    """One line for each set of frozen networks and settings."""
    root = cache or default_cache()
    uses = list(cache_use(root))
    if as_json:
        print(json.dumps([{**asdict(use), "folder": str(use.folder)} for use in uses]))
        return Exit.COMPLETE
    tell(f"{printable(root)}: {sum(use.bytes for use in uses) / 1e9:.2f} GB")
    for use in uses:
        tell(f"  {use.folder.name}  {use.entries:>9,} entries  {use.bytes / 1e9:8.2f} GB  {printable(use.encoder)}")
    return Exit.COMPLETE


def clear_command(cache: Path | None) -> Exit:
    """Remove all of it."""
    root = cache or default_cache()
    if root.exists() and not root.is_dir():
        raise UsageError(f"--cache {root}: is not a folder; name the folder of the cache")
    tell(f"{printable(root)}: {clear_cache(root) / 1e9:.2f} GB freed")
    return Exit.COMPLETE
