"""Which recordings may be opened, how, and what they may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from emoboost.patience import RETRY_SECONDS

GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class Access:
    """How recordings are reached; cheap to pickle. The defaults of the limits are met by no honest recording."""

    root: str | None = None
    """Folder that local recordings must lie in, links resolved; None is anywhere."""
    http: bool = False
    """Whether http:// and https:// may be opened."""
    http_anywhere: bool = False
    """Whether http may also reach this machine itself, its link and a cloud's metadata service."""
    any_scheme: bool = False
    """Whether every scheme and chain that fsspec knows may be opened."""
    storage_options: Mapping[str, object] = field(default_factory=dict, repr=False)
    """What fsspec's file system of a store is made with; may hold secrets."""
    retry_seconds: float = RETRY_SECONDS
    """How long a store that fails in passing is asked again."""
    max_bytes: int = 256 * GIB
    """A larger file becomes an error row `too_large`."""
    max_channels: int = 256
    """More channels become an error row `unsupported_format`."""
    max_sample_rate: int = 1_000_000
    """Hz; more become an error row `unsupported_format`."""
    max_decode_seconds: float = 300.0
    """Seconds of time that reading one utterance may take; more become an error row `timeout`."""

    @property
    def of_named(self) -> "Access":
        """The same stores for a place that a person named, which need not lie where recordings must."""
        return replace(self, root=None, http=True, http_anywhere=True, any_scheme=True)

    def limited_as(self, options: Mapping[str, object]) -> "Access":
        """The same with the limits of a recording that an output was made with.

        Args:
            options: of the output's plan.
        """
        names = ("max_bytes", "max_channels", "max_sample_rate")
        limits: dict[str, Any] = {name: options[name] for name in names if name in options}
        return replace(self, **limits)


ANYWHERE = Access(http=True, http_anywhere=True)
"""For a recording that a person named on the command line or in a program."""
