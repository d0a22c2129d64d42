"""HPACK against the `hpack` library: the same fields in either direction, and the same blocks refused, or more."""

import random
from typing import Any

import hpack
import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minimesh.dataplane.http2.hpack import SECRETS, Decoder, HpackError, Memory, TooLarge, block, huffman, static

Pair = tuple[bytes, bytes]

STATIC_PAIR = st.sampled_from(static.TABLE)
NAME = st.sampled_from([name for name, _ in static.TABLE] + [b"te", b"x-a", b"grpc-timeout"]) | st.binary(max_size=200)
VALUE = st.binary(max_size=300) | st.text("abcdefgh0123/:.%-", max_size=40).map(str.encode)
PAIR = STATIC_PAIR | st.tuples(NAME, VALUE)
PAIRS = st.lists(PAIR, max_size=12)
TABLE_SIZE = st.sampled_from([0, 0, 40, 100, 500, 4096, 8192])

STRICTER = ("more than two updates", "more than 5 bytes")
"""What the library lets pass."""


def same(name: bytes, value: bytes, never_indexed: bool) -> Pair:
    return name, value


def encoder_of(table_size: int) -> Any:
    """That has told of its table's size already."""
    encoder = hpack.Encoder()
    encoder.header_table_size = table_size
    encoder.encode([])
    return encoder


def oracle_decoder(table_size: int) -> Any:
    oracle = hpack.Decoder(max_header_list_size=65536)
    oracle.max_allowed_table_size = table_size
    oracle.header_table_size = table_size
    return oracle


@given(st.lists(st.tuples(PAIRS, st.booleans(), TABLE_SIZE), max_size=8), st.sampled_from([0, 100, 4096]))
def test_what_the_library_encodes_is_decoded(blocks: list[tuple[list[Pair], bool, int]], table_size: int) -> None:
    """Also with what was remembered of an earlier connection."""
    memory = Memory(same, SECRETS)
    for _ in range(2):
        decoder = Decoder(memory, table_size=table_size)
        encoder = encoder_of(table_size)
        allowed = table_size
        for pairs, huffman_coded, size in blocks:
            if size != allowed:
                allowed = size
                encoder.header_table_size = size
                decoder.announce(size)
            assert decoder.decode(encoder.encode(pairs, huffman=huffman_coded)) == pairs


@given(PAIRS)
def test_what_is_encoded_the_library_decodes(pairs: list[Pair]) -> None:
    encoded = block(pairs)
    decoded = list(hpack.Decoder().decode(encoded, raw=True))
    assert [(header[0], header[1]) for header in decoded] == pairs
    for header, pair in zip(decoded, pairs, strict=True):
        assert header.indexable == (pair[0] not in SECRETS or pair in static.INDEX)
    decoder = Decoder(Memory(same, SECRETS), table_size=0)
    assert decoder.decode(encoded) == decoder.decode(encoded) == pairs


@given(
    st.lists(PAIR | st.tuples(NAME, st.just(b"a" * 500)), max_size=30),
    st.booleans(),
    st.integers(0, 6000),
    st.integers(1, 30),
)
@example([static.TABLE[15]] * 30, False, 30 * 60 - 1, 30)
@example([(b"access-control-allow-origin", b"a" * 160)] * 10, True, 10 * 219 - 1, 10)
def test_limits_are_those_of_the_decoded_fields(
    pairs: list[Pair], huffman_coded: bool, most_bytes: int, most_fields: int
) -> None:
    """With a table and without, to the byte, and also when they have been seen before."""
    size = sum(len(name) + len(value) + 32 for name, value in pairs)
    fits = size <= most_bytes and len(pairs) <= most_fields
    for table_size in (0, 4096):
        encoded = encoder_of(table_size).encode(pairs, huffman=huffman_coded)
        memory = Memory(same, [])
        for _ in range(2):
            decoder = Decoder(memory, table_size=table_size, most_bytes=most_bytes, most_fields=most_fields)
            try:
                assert decoder.decode(encoded) == pairs
                assert fits
            except TooLarge:
                assert not fits
            except HpackError:
                assert size > 4 * most_bytes


@given(st.binary(max_size=300))
def test_huffman_is_decoded(text: bytes) -> None:
    assert huffman.decode(HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(text)) == text


def agree(blocks: list[bytes], table_size: int, decoders: list[Decoder[Pair]]) -> None:
    """All decoders say the same of each block as the library, or refuse it for a reason that the library ignores."""
    oracle = oracle_decoder(table_size)
    refused = False
    for encoded in blocks:
        try:
            expected: list[Pair] | None = [(name, value) for name, value in oracle.decode(encoded, raw=True)]
        except hpack.OversizedHeaderListError:
            return
        except hpack.HPACKError:
            expected = None
        for decoder in decoders:
            try:
                assert decoder.decode(encoded) == expected
            except TooLarge:
                return
            except HpackError as error:
                detail = error.detail
                if expected is not None and not any(reason in detail for reason in STRICTER):
                    pytest.fail(detail)
                refused = True
        if refused:
            return


def decoders(table_size: int) -> list[Decoder[Pair]]:
    """One with nothing remembered, one for which it makes a difference, and one that never goes the short way."""
    memory = Memory(same, [])
    return [
        Decoder(memory, table_size=table_size),
        Decoder(memory, table_size=table_size),
        Decoder(Memory(same, []), table_size=table_size, most_bytes=5000),
    ]


@given(st.lists(st.binary(max_size=40), max_size=4), TABLE_SIZE)
@example([b"\x82 "], 0)
@example([b"\x00\x00\x00"], 0)
@settings(max_examples=500)
def test_any_bytes(blocks: list[bytes], table_size: int) -> None:
    agree(blocks, table_size, decoders(table_size))


# Bytes that begin something come up more often than by chance.
TELLING = bytes.fromhex("00 01 0f 10 1f 20 3f 40 41 7e 7f 80 81 82 be bf c0 ff")


def mutated(rng: random.Random, encoded: bytes) -> bytes:
    data = bytearray(encoded)
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            data[at : at + 1] = bytes((rng.choice(TELLING),))
        elif kind == 1:
            data[at:at] = bytes((rng.randrange(256),))
        elif kind == 2:
            del data[at : at + rng.randint(1, 3)]
        else:
            data[at : at + 1] = bytes((data[at] ^ 1 << rng.randrange(8),)) if at < len(data) else b"\x80"
    return bytes(data)


def some_pairs(rng: random.Random) -> list[Pair]:
    names = [b":path", b"user-agent", b"x-a", b"te", b"cookie", b"grpc-timeout"]
    values = [b"/a/b", b"", b"trailers", b"x" * rng.choice([1, 126, 127, 128]), rng.randbytes(6)]
    own = [(rng.choice(names), rng.choice(values)) for _ in range(rng.randrange(6))]
    return [*rng.sample(static.TABLE, 3), *own]


@pytest.mark.parametrize("seed", range(8))
def test_blocks_that_went_wrong(seed: int) -> None:
    """Three blocks of one connection, each changed in up to four places."""
    rng = random.Random(seed)
    for _ in range(150):
        table_size = rng.choice([0, 0, 100, 4096])
        encoder = encoder_of(table_size)
        blocks = [mutated(rng, encoder.encode(some_pairs(rng), huffman=rng.random() < 0.5)) for _ in range(3)]
        agree(blocks, table_size, decoders(table_size))
