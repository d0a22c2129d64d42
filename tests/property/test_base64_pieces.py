"""Base64 in pieces: whatever is cut wherever, the same comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.dataplane.base64stream import Base64Reader, write


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(1, 7), min_size=1, max_size=50))
def test_pieces_that_are_padded_each_and_cut_anywhere(messages: list[bytes], cuts: list[int]) -> None:
    text = b"".join(map(write, messages))
    reader, read, turn = Base64Reader(), b"", 0
    while text:
        size = cuts[turn % len(cuts)]
        read += reader.feed(text[:size])
        text, turn = text[size:], turn + 1
    assert read == b"".join(messages)
    assert reader.whole


@given(st.binary(max_size=64))
def test_whatever_comes_is_read_or_refused(text: bytes) -> None:
    reader = Base64Reader()
    try:
        read = reader.feed(text)
    except ValueError:
        return
    assert len(read) <= len(text)


@pytest.mark.parametrize("text", [b"====", b"A===", b"AA=A", b"A A=", b"A-_A", b"\n\n\n\n", b"AA==A==="])
def test_what_is_not_base64(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        Base64Reader().feed(text)


def test_what_is_left_over() -> None:
    reader = Base64Reader()
    assert reader.feed(b"AAAAAA") == b"\0\0\0"
    assert not reader.whole
    assert reader.feed(b"==") == b"\0"
    assert reader.whole
