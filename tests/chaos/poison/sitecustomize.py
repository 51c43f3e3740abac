"""A decoder that can be poisoned: loaded by every Python that has this folder in PYTHONPATH.

No recording is known that crashes the decoder in use, so the crash is planted: a recording whose name says so ends the
process by a real SIGSEGV, or never comes back from native code that holds the interpreter's lock.
"""

import ctypes
import os

if os.environ.get("EMOBOOST_POISON"):
    from emoboost import decoder

    healthy = decoder.Decoder.__init__

    def poisoned(self, location, *rest):
        """The decoder's constructor, in front of which some names do their harm."""
        if "segfault" in location:
            ctypes.string_at(0)
        if "endless" in location:
            ctypes.PyDLL(None).sleep(10_000)
        if "greedy" in location:
            bytearray(2**44)
        healthy(self, location, *rest)

    decoder.Decoder.__init__ = poisoned
