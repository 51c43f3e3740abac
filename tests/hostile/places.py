"""Names that file systems allow, and what lies behind a name when it is no file."""

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from emoboost.errors import AudioErrorType
from hostile.case import OK, Hostile, only

NAMES = {
    "newline": "zeile\n1.flac",
    "carriage_return": "zeile\r1.flac",
    "tab": "a\tb.flac",
    "emoji": "😀👩‍👩‍👧.flac",
    "255_bytes": "n" * 250 + ".flac",
    "255_bytes_of_umlauts": "ü" * 125 + ".flac",
    "option": "-rf",
    "long_option": "--help.flac",
    "leading_space": "  a.flac",
    "trailing_space": "a.flac  ",
    "only_spaces_and_a_letter": " x ",
    "quotes": "\"a\" 'b'.flac",
    "shell": "$(touch x);`id`|&.flac",
    "format": "%s%n{0}{a!r}.flac",
    "backslash": "C:\\calls\\a.flac",
    "wildcards": "*?[a-z].flac",
    "home": "~",
    "home_of_root": "~root.flac",
    "fragment": "a.flac#t=1?x=%20",
    "right_to_left": "\u202egalf.a\u202c.flac",
    "composed": "Mu\u0308ller.flac",
    "zero_width": "a\u200bb.flac",
    "line_separator": "a\u2028b.flac",
    "escape": "\x1b[31mred\x1b[0m\x07.flac",
    "control": "\x01\x7f.flac",
    "dots": "...flac",
    "hidden": ".flac",
    "no_ending": "flac",
    "comma": "a,b;c.flac",
    "equals": "=cmd|'c'!A1.flac",
    "noncharacter": "\uffff.flac",
    "plane_16": "\U0010ffff.flac",
}


def strange_names(folder: Path, clip: Path) -> Iterator[Hostile]:
    """The clip under each name; makes the folder."""
    folder.mkdir()
    for name, file_name in NAMES.items():
        shutil.copy(clip, folder / file_name)
        yield Hostile(f"name_{name}", f"{folder.name}/{file_name}", OK, clip)
    (folder / "deep").mkdir()
    for name, uri in (
        ("up_and_down", f"{folder.name}/deep/../flac"),
        ("many_slashes", f"{folder.name}////flac"),
        ("dot", f"./{folder.name}/./flac"),
        ("above_the_root", "/.." * 50 + str(clip.absolute())),
        ("absolute", str(clip.absolute())),
        ("file_url", f"file://{clip.absolute()}"),
        ("trailing_slash", f"{folder.name}/flac/"),
    ):
        yield Hostile(f"path_{name}", uri, OK, clip)


def no_files(folder: Path, clip: Path) -> Iterator[Hostile]:
    """Links, pipes, devices and names of nothing; makes the folder."""
    folder.mkdir()
    unreadable, missing = only(AudioErrorType.UNREADABLE), only(AudioErrorType.NOT_FOUND)
    empty, text = only(AudioErrorType.EMPTY), only(AudioErrorType.UNSUPPORTED_FORMAT)

    def link(name: str, target: str) -> str:
        (folder / name).symlink_to(target)
        return f"{folder.name}/{name}"

    os.mkfifo(folder / "pipe.wav")
    os.mknod(folder / "socket.wav", stat.S_IFSOCK | 0o600)
    (folder / "folder.wav").mkdir()
    yield Hostile("link", link("link.flac", str(clip.absolute())), OK, clip)
    yield Hostile("link_to_itself", link("itself.wav", "itself.wav"), unreadable)
    link("there.wav", "back.wav")
    yield Hostile("links_in_a_circle", link("back.wav", "there.wav"), unreadable)
    yield Hostile("folder_that_holds_itself", f"{link('loop', '.')}/loop/loop/link.flac", OK, clip)
    yield Hostile("fifty_folders_that_hold_themselves", f"{folder.name}/{'loop/' * 50}link.flac", unreadable)
    yield Hostile("link_to_nothing", link("nothing.wav", "no/such/file.wav"), missing)
    yield Hostile("link_to_a_pipe", link("to_pipe.wav", "pipe.wav"), unreadable)
    yield Hostile("link_to_a_device", link("to_device.wav", "/dev/zero"), unreadable)
    yield Hostile("pipe", f"{folder.name}/pipe.wav", unreadable)
    yield Hostile("socket", f"{folder.name}/socket.wav", unreadable)
    yield Hostile("folder", f"{folder.name}/folder.wav", unreadable)
    for device in ("zero", "null", "full", "random", "tty", "stdin"):
        ends = unreadable | missing | only(AudioErrorType.PERMISSION) | (empty | text if device == "stdin" else empty)
        yield Hostile(f"device_{device}", f"/dev/{device}", unreadable if device in ("zero", "null", "full") else ends)
    yield Hostile("root", "/", unreadable)
    yield Hostile("this_folder", ".", unreadable)
    yield Hostile("parent", "..", unreadable)
    yield Hostile("passwords", "../" * 40 + "etc/passwd", text)
    yield Hostile("process", "/proc/self/environ", empty)
    yield Hostile("below_a_file", f"{clip.absolute()}/a.wav", missing)
    yield Hostile("256_bytes", f"{folder.name}/{'n' * 256}", missing)
    yield Hostile("ten_thousand_bytes", f"{folder.name}/{'n' * 10_000}.wav", missing)
    yield Hostile("deep_path", "a/" * 3_000 + "b.wav", missing)
    yield Hostile("zero_byte", f"{folder.name}/a\0b.wav", unreadable | missing)
    yield Hostile("unknown_scheme", "gopher://archive/a.wav", unreadable | only(AudioErrorType.NOT_ALLOWED))
    yield Hostile("scheme_of_nothing", "://a.wav", unreadable | missing | only(AudioErrorType.NOT_ALLOWED))
