"""What can go wrong, in the words of the person who has to mend it.

Two kinds: an `EmoboostError` ends a command with a stated exit code; an `AudioError` belongs to one utterance and
becomes a row of the output, never the end of a job.
"""

from enum import StrEnum

from emoboost.printable import printable
from emoboost.redaction import redacted


class EmoboostError(Exception):
    """A failure that ends a command. The message names the input and the fix; no traceback is needed.

    What is secret in the message is replaced (`redaction.redacted`), whoever shows or stores it.
    """

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(redacted(message))


class UsageError(EmoboostError):
    """A bad argument, found before any work started."""

    exit_code = 2


class ManifestError(UsageError):
    """The manifest cannot be used as it is; the message lists file, line, column, value and fix."""


class ModelError(UsageError):
    """A model folder is missing, damaged, or of another version."""


class OutputError(UsageError):
    """The output folder cannot be written, or holds the result of another run."""


class DamagedError(EmoboostError):
    """Something is wrong with an output that others are made of; `verify` says what."""

    exit_code = 5


class StorageStop(EmoboostError):  # noqa: N818 - the end of a job, not an error of one recording
    """A store that the job needs cannot be used at all. Nothing of the shard is published; the same command continues.

    Args:
        place: what was asked for, as the user wrote it.
        reason: what the store said.
        fix: what to do.
    """

    def __init__(self, place: str, reason: str, fix: str) -> None:
        found = f"{printable(place)}: the store cannot be used ({printable(reason)})"
        super().__init__(f"{found}; {fix}, then give the same command again")
        self.place = place
        self.reason = redacted(reason)
        self.fix = fix

    def __reduce__(self) -> tuple[type["StorageStop"], tuple[str, str, str]]:
        # A worker sends it to the command.
        return type(self), (self.place, self.reason, self.fix)


class AudioErrorType(StrEnum):
    """The closed list of reasons why an utterance has no label; `FIXES` says what to do about each."""

    NOT_FOUND = "not_found"
    PERMISSION = "permission"
    UNREADABLE = "unreadable"
    UNSUPPORTED_FORMAT = "unsupported_format"
    EMPTY = "empty"
    OUTSIDE_FILE = "outside_file"
    TRUNCATED = "truncated"
    NOT_FINITE = "not_finite"
    TOO_LONG = "too_long"
    NO_CHANNEL = "no_channel"
    TOO_LARGE = "too_large"
    NOT_ALLOWED = "not_allowed"
    TIMEOUT = "timeout"
    DECODER_CRASH = "decoder_crash"
    OUT_OF_MEMORY = "out_of_memory"
    INTERNAL = "internal"


FIXES: dict[AudioErrorType, str] = {
    AudioErrorType.NOT_FOUND: "check the path; relative paths are relative to the manifest's folder",
    AudioErrorType.PERMISSION: "let the user who runs the job read the file",
    AudioErrorType.UNREADABLE: "read the file by hand; the disk, the mount or the store returned an error",
    AudioErrorType.UNSUPPORTED_FORMAT: "convert it, for example: ffmpeg -i IN -ar 16000 OUT.flac",
    AudioErrorType.EMPTY: "the file or the span holds no audio; remove it or record it again",
    AudioErrorType.OUTSIDE_FILE: "correct start and end in the manifest; they are seconds from the file's start",
    AudioErrorType.TRUNCATED: "copy the file again; it ends before the length its header promises",
    AudioErrorType.NOT_FINITE: "the file holds NaN or Inf samples; export it again as integer PCM",
    AudioErrorType.TOO_LONG: "cut it into spans (columns start and end), or raise --max-duration",
    AudioErrorType.NO_CHANNEL: "channels are counted from 0; correct the channel column or --channel",
    AudioErrorType.TOO_LARGE: "cut the file into smaller ones, or raise --max-bytes",
    AudioErrorType.NOT_ALLOWED: "use local paths, s3://, gs://, az:// or hf://; see --root and --allow-http",
    AudioErrorType.TIMEOUT: "read the file by hand; if it is only slow, raise --max-decode-seconds",
    AudioErrorType.DECODER_CRASH: "convert it, for example: ffmpeg -i IN -ar 16000 OUT.flac; it ends the decoder",
    AudioErrorType.OUT_OF_MEMORY: "cut it into spans (columns start and end), or use a machine with more memory",
    AudioErrorType.INTERNAL: "report it, with the file: this program failed on it",
}


class AudioError(Exception):
    """One utterance cannot be read. `type` is from the closed list; the message names the uri and what was found.

    What is secret in the message is replaced, as it goes into the output.
    """

    def __init__(self, error_type: AudioErrorType, message: str) -> None:
        self.type = error_type
        self.message = redacted(message)
        super().__init__(error_type, self.message)

    def __str__(self) -> str:
        return self.message
