"""Huffman-coded strings (RFC 7541, 5.2 and Appendix B), decoded a byte at a time.

The code is a binary tree. Wherever in it a byte of the data begins, and whatever that byte is, which characters come
out and where in the tree the next byte begins is always the same: a step. The steps from a place are worked out when
it is first reached.
"""

from __future__ import annotations

from functools import cache

from minimesh.dataplane.http2.hpack.errors import HpackError

_EOS = 256
_MOST_PADDING = 7

# Bits of the code of each byte, and of EOS. It is canonical: shorter codes first, then in the order of the characters.
_LENGTHS = """
    13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
    6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
    13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
    15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
    20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
    22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
    26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
    20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
    30
"""


class _Node:
    """A place in the tree.

    `branches`: where the bits 0 and 1 lead, to another place or to a character. `steps`: for each byte that may come
    next what it yields and where it leads; empty before that is worked out.
    `ends`: data may end here, for what led here from the root is at most 7 bits, all ones.
    """

    __slots__ = ("branches", "ends", "steps")

    def __init__(self) -> None:
        self.branches: dict[int, _Node | int] = {}
        self.steps: list[_Step] = []
        self.ends = False


_Step = tuple[bytes, _Node]


def _tree() -> _Node:
    root = _Node()
    code = bits = 0
    for length, character in sorted((int(length), character) for character, length in enumerate(_LENGTHS.split())):
        code <<= length - bits
        bits = length
        node = root
        for shift in range(bits - 1, 0, -1):
            node = _below(node, code >> shift & 1)
        node.branches[code & 1] = character
        code += 1
    node = root
    for _ in range(_MOST_PADDING + 1):
        node.ends = True
        node = _below(node, 1)
    return root


def _below(node: _Node, bit: int) -> _Node:
    below = node.branches.get(bit)
    if not isinstance(below, _Node):
        below = node.branches[bit] = _Node()
    return below


_ROOT = _tree()
_NOWHERE = _Node()
"""Behind the end-of-string code, which no data may hold."""
_NOWHERE.steps = [(b"", _NOWHERE)] * 256


@cache
def _steps(node: _Node, bits: int) -> list[_Step]:
    """For each value that the next `bits` bits may have."""
    if not bits:
        return [(b"", node)]
    steps: list[_Step] = []
    for bit in (0, 1):
        branch = node.branches[bit]
        if isinstance(branch, _Node):
            steps += _steps(branch, bits - 1)
        elif branch == _EOS:
            steps += [(b"", _NOWHERE)] * 2 ** (bits - 1)
        else:
            character = bytes((branch,))
            steps += [(character + more, after) for more, after in _steps(_ROOT, bits - 1)]
    return steps


def decode(data: bytes) -> bytes:
    """Raises HpackError for the end-of-string code, and for padding that is longer than 7 bits or not all ones."""
    node = _ROOT
    pieces: list[bytes] = []
    for byte in data:
        try:
            piece, node = node.steps[byte]
        except IndexError:
            node.steps = _steps(node, 8)
            piece, node = node.steps[byte]
        pieces.append(piece)
    if not node.ends:
        raise HpackError("a Huffman-coded string holds the end-of-string code, or is not padded with up to 7 ones")
    return b"".join(pieces)
