"""`emoboost-batch cache`: what the feature cache holds, and how to get rid of it."""

import json
from dataclasses import asdict
from pathlib import Path

from emoboost.feature_cache import cache_use, clear_cache, default_cache
from jobs.exits import Exit


def info_command(cache: Path | None, *, as_json: bool) -> Exit:
    """One line for each set of frozen networks and settings."""
    root = cache or default_cache()
    uses = list(cache_use(root))
    if as_json:
        print(json.dumps([{**asdict(use), "folder": str(use.folder)} for use in uses]))
        return Exit.COMPLETE
    print(f"{root}: {sum(use.bytes for use in uses) / 1e9:.2f} GB")
    for use in uses:
        print(f"  {use.folder.name}  {use.entries:>9,} entries  {use.bytes / 1e9:8.2f} GB  {use.encoder}")
    return Exit.COMPLETE


def clear_command(cache: Path | None) -> Exit:
    """Remove all of it."""
    root = cache or default_cache()
    print(f"{root}: {clear_cache(root) / 1e9:.2f} GB freed")
    return Exit.COMPLETE
