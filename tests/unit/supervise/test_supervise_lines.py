"""Lines out of bytes, however they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.supervise.lines import CUT_MARK, MAX_LINE, LineCutter, telling


def cut(pieces: list[bytes]) -> list[str]:
    cutter = LineCutter()
    return [line for piece in pieces for line in cutter.feed(piece)] + cutter.end()


@given(st.lists(st.binary(max_size=20)))
def test_how_the_bytes_come_does_not_matter(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert cut(pieces) == cut([whole]) == cut([bytes([byte]) for byte in whole])


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"one\ntwo\n", ["one", "two"]),
        (b"\n\n", ["", ""]),
        (b"dos\r\n", ["dos"]),
        (b"no end", ["no end"]),
        ("größer\n".encode(), ["größer"]),
        (b"\xff\n", ["\ufffd"]),
    ],
)
def test_lines(data: bytes, lines: list[str]) -> None:
    assert cut([data]) == lines


def test_the_longest_line_is_whole_and_a_longer_one_is_cut_and_marked() -> None:
    assert cut([b"x" * MAX_LINE + b"\n"]) == ["x" * MAX_LINE]
    assert cut([b"x" * (MAX_LINE + 1) + b"\nnext\n"]) == ["x" * MAX_LINE + CUT_MARK, "next"]


def test_a_line_without_end_is_told_once_and_kept_nowhere() -> None:
    cutter = LineCutter()
    lines = [line for _ in range(1000) for line in cutter.feed(b"x" * 16_384)]
    assert lines == ["x" * MAX_LINE + CUT_MARK]
    assert len(cutter._partial) == 0
    assert cutter.feed(b"rest\nnext\n") == ["next"]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["Traceback (most recent call last):", '  File "x.py"', "KeyError: 'STRIPE_KEY'"], "KeyError: 'STRIPE_KEY'"),
        (["Error: boom", "    at Object.<anonymous> (/x.js:1:7)", "", "Node.js v20.11.0"], "Error: boom"),
        (["panic", "}", ""], "panic"),
        (["\x1b[31mError\x1b[0m: boom", "\x1b[2m    at x.js\x1b[0m"], "Error: boom"),
        (["", "   "], ""),
        ([], ""),
    ],
)
def test_the_telling_line_of_a_trace(lines: list[str], told: str) -> None:
    assert telling(lines) == told
