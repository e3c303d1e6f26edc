"""Text in UTF-8 whatever the locale, and standard streams whose failure ends nothing."""

from __future__ import annotations

import codecs
import io
import os
import sys
from pathlib import Path
from typing import TextIO

# How characters of ours read where the encoding lacks them: a minus sign must not get lost.
PLAIN = {
    **{"−": "-", "–": "-", "±": "+-", "×": "x", "·": "*", "…": "...", "→": "->"},
    **{"≤": "<=", "≥": ">=", "≈": "~", "Δ": "delta", "†": "+"},
}
SUPERSCRIPTS = dict(zip("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789", strict=True))


def prepare_streams() -> None:
    """Make a command read and write UTF-8, and let it outlive its terminal, pipe or log.

    Where the locale has another encoding, Python starts again in its UTF-8 mode: only there do
    paths and arguments, what libraries write, and child processes all use UTF-8. The encoding of
    the standard streams stays the terminal's.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        if sys.stdout is not None:
            os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    keep_streams()


def keep_streams() -> None:
    """Let this process outlive its standard output and error."""
    sys.stdout, sys.stderr = _lasting(sys.stdout), _lasting(sys.stderr)


def plain(error: UnicodeError) -> tuple[str, int]:
    """Replace what can't be encoded by PLAIN, 10⁻³ by 10^-3, and anything else by a question mark.

    This is an error handler as `codecs.register_error` takes it.

    Raises:
        UnicodeError: if `error` is one of decoding.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text, written = error.object, []
    for i in range(error.start, error.end):
        if text[i] in SUPERSCRIPTS:
            begins = i == 0 or text[i - 1] not in SUPERSCRIPTS
            written.append("^" * begins + SUPERSCRIPTS[text[i]])
        else:
            written.append(PLAIN.get(text[i], "?"))
    return "".join(written), error.end


codecs.register_error("plain", plain)


class LastingStream(io.TextIOWrapper):
    """A text stream that writes `plain` what its encoding lacks, and is given up when it fails.

    So neither a full disk below a log nor a pipe whose reader has ended loses a training.
    """

    def write(self, text: str) -> int:
        """Write `text` if that is possible; return its length."""
        try:
            return super().write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        """Write what is buffered if that is possible."""
        try:
            super().flush()
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """Send everything from now on, and what is buffered, to nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def _lasting(stream: TextIO | None) -> TextIO:
    """Return `stream` as a LastingStream; one to nowhere if the process was started without it."""
    if isinstance(stream, LastingStream) or not isinstance(stream, io.TextIOWrapper):
        return stream or Path(os.devnull).open("w", encoding="utf-8")
    return LastingStream(
        stream.buffer,
        encoding=stream.encoding,
        errors="plain",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
