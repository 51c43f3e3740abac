"""One hash over many files: what `sha256sum` prints of each, hashed once more."""

import hashlib


class FilesHash:
    """SHA-256 over the lines `<name> <SHA-256 of the file>`, in the order in which the files are added.

    >>> files = FilesHash()
    >>> files.add("a", hashlib.sha256(b"content").hexdigest())
    >>> files.hex[:12]
    'b62f9243655e'
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str, sha256: str) -> None:
        """Take the next file, with its own hash in hex."""
        self._digest.update(f"{name} {sha256}\n".encode())

    @property
    def hex(self) -> str:
        """Over the files so far."""
        return self._digest.hexdigest()
