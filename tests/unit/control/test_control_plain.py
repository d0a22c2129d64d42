"""What a mesh without a terminal writes, whatever its streams can take."""

import io
import sys

import pytest

from minimesh.control.plain import Plain
from minimesh.control.report import Note, Problem


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_does_not_have_is_spelt(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.TextIOWrapper(io.BytesIO(), encoding)
    starter = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", written)
    plain = Plain(starter)
    plain(Note("web: \udcff.py changed, replicas 1 → 2"))
    plain(Problem("MM101", "an arrow → here"))
    log = written.buffer.getvalue().decode(encoding)
    assert log.startswith("note: web: \\udcff.py changed, replicas 1 ")
    assert "error[MM101]: an arrow " in starter.buffer.getvalue().decode(encoding)
