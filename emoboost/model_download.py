"""A model folder in a store, as a copy in the user's cache."""

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from emoboost.access import Access
from emoboost.errors import ModelError
from emoboost.patient_store import PatientStore
from emoboost.storage_errors import Trouble, reason_of, trouble_of
from emoboost.user_cache import user_cache


def download(url: str, access: Access, files: Sequence[str], check: Callable[[Path], None]) -> Path:
    """The local copy of a folder, made now unless this version of it is there already.

    A copy appears whole or not at all, whoever else makes one at the same time.

    Args:
        url: the folder.
        access: how its store is reached.
        files: names of what may be in it, the first of which must be; others are left where they are.
        check: raises when the copy is not what it should be.

    Raises:
        ModelError: no such folder, the cache cannot be written, or what `check` says.
        StorageStop: the store cannot be used.
    """
    try:
        store, root = PatientStore.at(url, access.of_named)
    except ImportError as error:
        raise ModelError(f"{url}: {error}; for s3:// run: pip install 'emoboost-batch[s3]'") from error
    except Exception as error:
        raise ModelError(f"{url}: there is no such store ({reason_of(error)}); give a folder or its URL") from error
    with _explained(url):
        entries = {str(entry["name"]).rsplit("/", 1)[-1]: entry for entry in store.ls(root)}
        found = [name for name in files if name in entries]
        if files[0] not in found:
            raise ModelError(f"{url}: not a model folder, {files[0]} is missing")
        first = store.read(f"{root}/{files[0]}")
    versions = repr([(name, entries[name].get("size"), entries[name].get("ETag")) for name in found])
    copies = user_cache() / "models"
    copy = copies / hashlib.sha256(first + versions.encode()).hexdigest()[:32]
    if copy.is_dir():
        return copy
    try:
        copies.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix="partial-", dir=copies))
    except OSError as error:
        raise ModelError(
            f"{copies}: cannot be written ({error.strerror}); set XDG_CACHE_HOME to another folder"
        ) from error
    try:
        with _explained(url):
            for name in found:
                (temporary / name).write_bytes(store.read(f"{root}/{name}"))
        check(temporary)
        # Not empty when another process was faster: its copy is as good.
        with contextlib.suppress(OSError):
            temporary.rename(copy)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return copy


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # the second: the store knows no such URL
        if trouble_of(error) is Trouble.MISSING:
            raise ModelError(f"{url}: no such model folder") from error
        raise ModelError(f"{url}: cannot be read ({reason_of(error)})") from error
