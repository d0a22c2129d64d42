"""Output into lines, without keeping more than one bounded line."""

import re

MAX_LINE = 64 * 1024
CUT_MARK = " … [line cut at 64 KiB]"
MAX_EVIDENCE = 500

# A stack trace's own lines are indented; Node ends a trace with its version.
_TELLING = re.compile(r"(?!Node\.js v)[^\s].*\w")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class LineCutter:
    """Bytes in, whole lines out, as text without their ends. A longer line than MAX_LINE is cut and marked."""

    __slots__ = ("_discarding", "_partial")

    def __init__(self, partial: bytes = b"", discarding: bool = False) -> None:
        self._partial = partial
        self._discarding = discarding

    @property
    def rest(self) -> tuple[bytes, bool]:
        """What another one has to be made with to go on."""
        return self._partial, self._discarding

    def feed(self, data: bytes) -> list[str]:
        *whole, rest = data.split(b"\n")
        lines = []
        for piece in whole:
            if self._discarding:
                self._discarding = False
            else:
                lines.append(self._text(self._partial + piece))
            self._partial = b""
        if not self._discarding:
            self._partial += rest
            if len(self._partial) > MAX_LINE:
                lines.append(self._text(self._partial))
                self._partial, self._discarding = b"", True
        return lines

    def end(self) -> list[str]:
        """What was left without a line end."""
        lines = [self._text(self._partial)] if self._partial else []
        self._partial, self._discarding = b"", False
        return lines

    @staticmethod
    def _text(line: bytes) -> str:
        mark = CUT_MARK if len(line) > MAX_LINE else ""
        return line[:MAX_LINE].removesuffix(b"\r").decode("utf-8", "replace") + mark


def telling(lines: list[str]) -> str:
    """The last line that says something: not blank, not indented, not a closing brace. "" if none does.

    Without its colours: it is shown among words of ours.
    """
    for line in reversed(lines):
        plain = _COLOUR.sub("", line)
        if _TELLING.match(plain):
            return plain.rstrip()[:MAX_EVIDENCE]
    return ""
