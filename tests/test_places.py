"""Schemes that are read, and a folder that recordings must lie in."""

import os
from pathlib import Path

import fsspec
import numpy as np
import pytest
from reading import CLIP, read, refusal

from emoboost.access import ANYWHERE, Access
from emoboost.audio import resolve
from emoboost.errors import FIXES, AudioErrorType
from emoboost.filesystems import filesystem_for
from emoboost.places import NotAllowedError, allowed_url, is_url, local_path, real_path, refuse_outside


@pytest.mark.parametrize("scheme", ["s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory", "S3", "Memory"])
def test_stores(scheme: str) -> None:
    assert allowed_url(f"{scheme}://bucket/A/7.wav", Access()) == (scheme.lower(), f"{scheme.lower()}://bucket/A/7.wav")


@pytest.mark.parametrize("scheme", ["http", "https", "HTTPS"])
def test_the_web_by_option(scheme: str) -> None:
    with pytest.raises(NotAllowedError, match=rf"^{scheme.lower()}:// is not read without --allow-http$"):
        allowed_url(f"{scheme}://host/7.wav", Access())
    assert allowed_url(f"{scheme}://host/7.wav", Access(http=True))[0] == scheme.lower()


REFUSED = [
    *(
        "ftp://host/7.wav",
        "sftp://host/7.wav",
        "ssh://host/x",
        "github://organisation/x",
        "smb://host/x",
        "webhdfs://host/x",
    ),
    *("local:///etc/passwd", "git+ssh://host/x", "data://x", "ray-x.y://h/x", "reference://x", "libarchive://x"),
    *("simplecache::http://host/7.wav", "zip://7.wav::http://host/a.zip", "zip://7.wav::s3://bucket/a.zip"),
    *("filecache::file:///etc/passwd", "SimpleCache::HTTP://host/7.wav", "dir::memory://x", "a::b::https://host/x"),
]


@pytest.mark.parametrize("location", REFUSED)
def test_other_schemes(location: str) -> None:
    for access in (Access(), ANYWHERE):
        error_type, message = refusal(location, access=access)
        assert error_type is AudioErrorType.NOT_ALLOWED
        assert message.endswith(FIXES[AudioErrorType.NOT_ALLOWED])


@pytest.mark.parametrize("location", REFUSED)
def test_a_row_with_another_scheme_is_never_relative(location: str) -> None:
    for base in ("/data", "s3://bucket/archive", "http://host/archive"):
        assert resolve(location, base) == location


def test_a_chain_is_not_followed() -> None:
    """`s3://x::memory://y` is one name here; fsspec's own way of opening reads y."""
    fsspec.filesystem("memory").pipe_file("/second.flac", CLIP.read_bytes())
    assert refusal("memory://dir::memory://second.flac")[0] is AudioErrorType.NOT_FOUND
    chain = "https://host/a::file:///etc/passwd"
    filesystem, path = filesystem_for(chain, Access(http=True))
    assert (filesystem.protocol, path) == (("http", "https"), chain)


def test_relative_to_an_http_base_is_http() -> None:
    error_type, message = refusal(resolve("7.wav", "http://host/archive"))
    assert error_type is AudioErrorType.NOT_ALLOWED
    assert "without --allow-http" in message


def test_upper_case_is_the_same_place(speech: np.ndarray) -> None:
    fsspec.filesystem("memory").pipe_file("/upper/Clip.flac", CLIP.read_bytes())
    np.testing.assert_array_equal(read("MEMORY://upper/Clip.flac"), speech)
    np.testing.assert_array_equal(read(f"FILE://{CLIP}"), speech)


@pytest.mark.parametrize("text", ["calls/7.wav", "/calls/7.wav", "a/b://c", " http://host/x", "data:text/plain,x", ""])
def test_paths(text: str) -> None:
    assert not is_url(text)
    assert local_path(text) == text


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A folder with a recording, beside another recording, and links in and out."""
    root = tmp_path / "archive"
    (root / "calls").mkdir(parents=True)
    (tmp_path / "archive-2").mkdir()
    for place in (root / "calls/in.flac", tmp_path / "archive-2/out.flac"):
        place.write_bytes(CLIP.read_bytes())
    (root / "link_in.flac").symlink_to(root / "calls/in.flac")
    (root / "link_out.flac").symlink_to(tmp_path / "archive-2/out.flac")
    (root / "folder_out").symlink_to(tmp_path / "archive-2")
    (root / "missing_out.flac").symlink_to(tmp_path / "nothing.flac")
    return root


@pytest.mark.parametrize("name", ["calls/in.flac", "link_in.flac", "calls/../calls/in.flac", "../archive/link_in.flac"])
def test_inside_the_root(archive: Path, name: str, speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(archive / name, access=Access(root=str(archive))), speech)


@pytest.mark.parametrize(
    "name",
    ["../archive-2/out.flac", "link_out.flac", "folder_out/out.flac", "/etc/passwd", "/dev/zero", "/dev/stdin"],
)
def test_outside_of_the_root(archive: Path, name: str) -> None:
    for location in (str(archive / name), f"file://{archive / name}", f"FILE://{archive / name}"):
        error_type, message = refusal(location, access=Access(root=str(archive)))
        assert error_type is AudioErrorType.NOT_ALLOWED
        assert f"it lies outside of --root {archive}" in message


@pytest.mark.parametrize("name", ["missing_out.flac", "../archive-2/none.flac", "folder_out/none.flac"])
def test_what_is_outside_is_not_told(archive: Path, name: str) -> None:
    assert refusal(archive / name, access=Access(root=str(archive)))[0] is AudioErrorType.NOT_ALLOWED
    assert refusal(archive / name)[0] is AudioErrorType.NOT_FOUND


def test_without_a_root_links_and_dots_lead_anywhere(archive: Path, speech: np.ndarray) -> None:
    np.testing.assert_array_equal(read(archive / "link_out.flac"), speech)
    np.testing.assert_array_equal(read(archive / "../archive-2/out.flac"), speech)


def test_the_root_may_be_a_link(archive: Path, tmp_path: Path, speech: np.ndarray) -> None:
    (tmp_path / "alias").symlink_to(archive)
    np.testing.assert_array_equal(read(archive / "link_in.flac", access=Access(root=str(tmp_path / "alias"))), speech)


def test_an_open_file_is_judged_by_where_it_is_not_by_its_path(archive: Path, tmp_path: Path) -> None:
    """What somebody may do between the look at the path and the opening of the file."""
    path = archive / "calls/in.flac"
    path.unlink()
    path.symlink_to(tmp_path / "archive-2/out.flac")
    descriptor = os.open(path, os.O_RDONLY)
    try:
        path.unlink()
        path.write_bytes(CLIP.read_bytes())
        refuse_outside(str(path), str(archive))
        with pytest.raises(NotAllowedError, match="outside of --root"):
            refuse_outside(real_path(descriptor, str(path)), str(archive))
    finally:
        os.close(descriptor)


def test_where_the_system_cannot_tell(archive: Path) -> None:
    assert real_path(-1, str(archive / "link_in.flac")) == str(archive / "calls/in.flac")
