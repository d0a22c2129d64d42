"""Huffman-coded strings (RFC 7541, 5.2 and Appendix B), decoded a byte at a time.

The code is a binary tree. Wherever in it a byte of the data begins, and whatever that byte is, which characters come
out and where in the tree the next byte begins is always the same: a step. Steps are worked out when first needed.
"""

from __future__ import annotations

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


class _Node(dict[int, "tuple[bytes, _Node]"]):
    """A place in the tree where a byte of the data may begin: that byte -> what comes out, and the place after it.

    `branches`: where the bits 0 and 1 lead; one that ends a character's code has it in `characters` instead.
    `ends`: the data may end here, for what led here is at most 7 bits, all ones.
    """

    __slots__ = ("branches", "characters", "ends")

    def __init__(self) -> None:
        super().__init__()
        self.branches: dict[int, _Node] = {}
        self.characters: dict[int, int] = {}
        self.ends = False

    def __missing__(self, byte: int) -> tuple[bytes, _Node]:
        out = bytearray()
        node = self
        for shift in range(7, -1, -1):
            bit = byte >> shift & 1
            if bit in node.branches:
                node = node.branches[bit]
                continue
            if node.characters[bit] == _EOS:
                raise HpackError("a Huffman-coded string holds the end-of-string code")
            out.append(node.characters[bit])
            node = _ROOT
        self[byte] = step = (bytes(out), node)
        return step


def _tree() -> _Node:
    root = node = _Node()
    code = bits = 0
    for length, character in sorted((int(length), character) for character, length in enumerate(_LENGTHS.split())):
        code <<= length - bits
        bits = length
        node = root
        for shift in range(bits - 1, 0, -1):
            node = node.branches.setdefault(code >> shift & 1, _Node())
        node.characters[code & 1] = character
        code += 1
    node = root
    for _ in range(_MOST_PADDING + 1):
        node.ends = True
        node = node.branches[1]
    return root


_ROOT = _tree()


def decode(data: bytes) -> bytes:
    """Raises HpackError for the end-of-string code, and for padding that is longer than 7 bits or not all ones."""
    node = _ROOT
    out = bytearray()
    for byte in data:
        piece, node = node[byte]
        out += piece
    if not node.ends:
        raise HpackError("a Huffman-coded string is padded with more than 7 bits, or not with ones")
    return bytes(out)
