"""HPACK: the examples of RFC 7541, every error, the bounds, and what is remembered."""

from dataclasses import dataclass, field

import pytest

from minimesh.dataplane.http2.hpack import (
    NO_TABLE,
    Decoder,
    HpackError,
    Memory,
    TooLarge,
    integers,
    literal,
    never_indexed,
)
from minimesh.dataplane.http2.hpack.memory import LONGEST, MOST, MOST_NAMES

Field = tuple[bytes, bytes, bool]
Pairs = list[tuple[bytes, bytes]]


@dataclass
class Maker:
    """Makes fields, counts them, and calls those named `bad` malformed."""

    made: Pairs = field(default_factory=list)

    def __call__(self, name: bytes, value: bytes, never: bool) -> Field:
        self.made.append((name, value))
        if name == b"bad":
            raise ValueError("bad")
        return name, value, never


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def memory(maker: Maker) -> Memory[Field]:
    return Memory(maker, [b"cookie", b"x-request-id"])


def fields(*lines: str) -> Pairs:
    """Each line is `name: value`."""
    split = [line.partition(": ")[::2] for line in lines]
    return [(name.encode(), value.encode()) for name, value in split]


def pairs(found: list[Field]) -> Pairs:
    return [(name, value) for name, value, _ in found]


def indexed(name: bytes, value: bytes) -> bytes:
    """A new literal with incremental indexing."""
    return b"\x40" + literal(name, value)[1:]


# --- the examples of RFC 7541, Appendix C ----------------------------------------------------------------------

GET = fields(":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com")
REQUESTS = [
    GET,
    [*GET, *fields("cache-control: no-cache")],
    fields(
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ),
]
REDIRECT = fields("cache-control: private", "date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com")
ANSWERS = [
    [*fields(":status: 302"), *REDIRECT],
    [*fields(":status: 307"), *REDIRECT],
    fields(
        ":status: 200",
        "cache-control: private",
        "date: Mon, 21 Oct 2013 20:13:22 GMT",
        "location: https://www.example.com",
        "content-encoding: gzip",
        "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    ),
]
EXAMPLES = {
    "C.2.1": (
        4096,
        ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"],
        [fields("custom-key: custom-header")],
    ),
    "C.2.2": (4096, ["040c 2f73 616d 706c 652f 7061 7468"], [fields(":path: /sample/path")]),
    "C.2.3": (4096, ["1008 7061 7373 776f 7264 0673 6563 7265 74"], [fields("password: secret")]),
    "C.2.4": (4096, ["82"], [fields(":method: GET")]),
    "C.3": (
        4096,
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        REQUESTS,
    ),
    "C.4": (
        4096,
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
        REQUESTS,
    ),
    "C.5": (
        256,
        [
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32"
                "3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d"
            ),
            "4803 3330 37c1 c0bf",
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970"
                "7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61"
                "6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31"
            ),
        ],
        ANSWERS,
    ),
    "C.6": (
        256,
        [
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad"
                "1718 63c7 8f0b 97c8 e9ae 82ae 43d3"
            ),
            "4883 640e ffc1 c0bf",
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2"
                "e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"
            ),
        ],
        ANSWERS,
    ),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples(memory: Memory[Field], example: str) -> None:
    table_size, blocks, wanted = EXAMPLES[example]
    decoder = Decoder(memory, table_size=table_size)
    assert [pairs(decoder.decode(bytes.fromhex(each))) for each in blocks] == wanted


@pytest.mark.parametrize(("value", "prefix", "encoded"), [(10, 0x1F, "0a"), (1337, 0x1F, "1f9a0a"), (42, 0xFF, "2a")])
def test_the_examples_of_integers(value: int, prefix: int, encoded: str) -> None:
    """C.1"""
    assert integers.written(value, prefix) == bytes.fromhex(encoded)
    assert integers.read(bytes.fromhex(encoded), 0, prefix) == (value, len(encoded) // 2)


def test_never_indexed_is_told(memory: Memory[Field]) -> None:
    found = Decoder(memory).decode(bytes.fromhex(EXAMPLES["C.2.3"][1][0]) + literal(b"a", b"b"))
    assert [never for *_, never in found] == [True, False]


# --- errors ----------------------------------------------------------------------------------------------------

WRONG = {
    "index 0": ("80", "index 0"),
    "an index beyond the static table": ("be", "index 62"),
    "a name's index beyond it": ("7e 01 61", "index 62"),
    "a name's index beyond it, not indexed": ("0f 2f 01 61", "index 62"),
    "no index": ("ff", "within an integer"),
    "no name": ("00", "before a string"),
    "no value": ("00 01 61", "before a string"),
    "a cut name": ("00 02 61", "within a string"),
    "a cut value": ("04 02 61", "within a string"),
    "a cut length": ("04 7f", "within an integer"),
    "a length of 2^31": ("04 7f 81 ff ff ff 07", "larger than"),
    "an endless length": ("04 7f 80 80 80 80 80 80 80 80 80 00", "more than 5 bytes"),
    "an endless index": ("ff ff ff ff ff ff ff ff ff ff", "more than 5 bytes"),
    "an index in six bytes": ("ff 80 80 80 80 80 00", "more than 5 bytes"),
    "EOS": ("04 84 ff ff ff ff", "end-of-string"),
    "EOS, and more": ("04 86 ff ff ff fc 00 00", "end-of-string"),
    "padding of 8 bits": ("04 82 1f ff", "padded"),
    "nothing but padding of 8 bits": ("04 81 ff", "padded"),
    "padding with zeros": ("04 81 18", "padded"),
    "padding of 15 bits": ("04 85 18 c6 31 ff ff", "padded"),
    "half a code": ("04 82 ff c0", "padded"),
    "an update behind a field": ("82 20", "behind a field"),
    "three updates": ("20 20 20 82", "more than two"),
    "a size above what is allowed": ("3f e2 1f", "set to 4097"),
    "a cut update": ("3f", "within an integer"),
}
SIZES = [0, 4096]


@pytest.mark.parametrize("table_size", SIZES)
@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_decoded(memory: Memory[Field], case: str, table_size: int) -> None:
    encoded, detail = WRONG[case]
    with pytest.raises(HpackError, match=r".") as raised:
        Decoder(memory, table_size=table_size).decode(bytes.fromhex(encoded))
    assert detail in raised.value.detail


@pytest.mark.parametrize("table_size", SIZES)
def test_every_cut_of_a_block(memory: Memory[Field], table_size: int) -> None:
    """A cut block is an error, unless it is cut between two fields. Also when its fields have been seen before."""
    parts = [b"\x82", literal(b":path", b"/a"), literal(b"user-agent", b"b"), literal(b"x-a", b"c" * 130)]
    whole = b"".join(parts)
    between = {len(b"".join(parts[:count])) for count in range(len(parts) + 1)}
    decoder = Decoder(memory, table_size=table_size)
    decoder.decode(whole)
    for length in range(len(whole) + 1):
        if length in between:
            decoder.decode(whole[:length])
        else:
            with pytest.raises(HpackError):
                decoder.decode(whole[:length])


@pytest.mark.parametrize(
    ("coded", "text"),
    [
        ("", b""),
        ("1f", b"a"),
        ("18c6318c63", b"a" * 8),  # padded with nothing
        ("18c631ff", b"a" * 5),  # padded with 7 bits
    ],
)
def test_padding(memory: Memory[Field], coded: str, text: bytes) -> None:
    data = bytes.fromhex(coded)
    assert Decoder(memory).decode(b"\x04" + bytes((0x80 | len(data),)) + data) == [(b":path", text, False)]


# --- the table's size ------------------------------------------------------------------------------------------


def size(value: int) -> bytes:
    return integers.written(value, 0x1F, 0x20)


def test_stateless_when_the_peer_has_no_table(memory: Memory[Field]) -> None:
    decoder = Decoder(memory)
    assert not decoder.stateless
    decoder.decode(indexed(b"a", b"b"))
    decoder.announce(0)
    assert not decoder.stateless
    assert pairs(decoder.decode(NO_TABLE + b"\x82")) == fields(":method: GET")
    assert decoder.stateless
    with pytest.raises(HpackError, match="index 62"):
        decoder.decode(b"\xbe")


def test_stateless_from_the_start(memory: Memory[Field]) -> None:
    decoder = Decoder(memory, table_size=0)
    assert decoder.stateless
    assert pairs(decoder.decode(NO_TABLE + indexed(b"a", b"b"))) == [(b"a", b"b")]
    assert decoder.stateless
    with pytest.raises(HpackError):
        decoder.decode(b"\xbe")


def test_not_stateless_while_the_peer_may_get_itself_a_table(memory: Memory[Field]) -> None:
    decoder = Decoder(memory)
    decoder.decode(NO_TABLE)
    assert not decoder.stateless
    decoder.announce(0)
    assert decoder.stateless, "it has none, and needs to tell nothing"
    decoder.announce(100)
    assert not decoder.stateless
    decoder.decode(size(100) + indexed(b"a", b"b"))
    assert pairs(decoder.decode(b"\xbe")) == [(b"a", b"b")]


@pytest.mark.parametrize("first", [b"\xbe", indexed(b"c", b"d"), size(101), size(4096), size(101) + size(0)])
def test_a_smaller_size_has_to_be_confirmed(memory: Memory[Field], first: bytes) -> None:
    decoder = Decoder(memory)
    decoder.decode(indexed(b"a", b"b"))
    decoder.announce(100)
    with pytest.raises(HpackError, match="size"):
        decoder.decode(first)


def test_a_block_that_needs_no_table_may_come_before(memory: Memory[Field]) -> None:
    decoder = Decoder(memory)
    decoder.announce(0)
    assert pairs(decoder.decode(b"\x82" + b"\0\1a\1b")) == [*fields(":method: GET"), (b"a", b"b")]
    assert not decoder.stateless
    with pytest.raises(HpackError, match="should have been set to 0"):
        decoder.decode(indexed(b"c", b"d"))


@pytest.mark.parametrize("first", [size(100), size(0), size(50) + size(100), size(100) + size(0)])
def test_and_is(memory: Memory[Field], first: bytes) -> None:
    decoder = Decoder(memory)
    decoder.announce(100)
    decoder.decode(first + b"\x82")
    decoder.decode(b"\x82")


def test_the_smallest_of_several_sizes_has_to_be_confirmed(memory: Memory[Field]) -> None:
    for first in (indexed(b"a", b"b"), size(4096), size(200) + size(100)):
        decoder = Decoder(memory)
        decoder.announce(100)
        decoder.announce(4096)
        with pytest.raises(HpackError, match="size"):
            decoder.decode(first)
    decoder = Decoder(memory)
    decoder.announce(100)
    decoder.announce(4096)
    decoder.decode(size(100) + size(4096) + b"\x82")


def test_a_smaller_size_evicts(memory: Memory[Field]) -> None:
    decoder = Decoder(memory)
    decoder.decode(indexed(b"a", b"1") + indexed(b"b", b"2"))
    assert pairs(decoder.decode(b"\xbe\xbf")) == [(b"b", b"2"), (b"a", b"1")]
    decoder.decode(size(34))
    with pytest.raises(HpackError, match="index 63"):
        decoder.decode(b"\xbe\xbf")


def test_a_field_larger_than_the_table_empties_it(memory: Memory[Field]) -> None:
    decoder = Decoder(memory, table_size=100)
    decoder.decode(indexed(b"a", b"1"))
    assert pairs(decoder.decode(indexed(b"b", b"2" * 100))) == [(b"b", b"2" * 100)]
    with pytest.raises(HpackError, match="index 62"):
        decoder.decode(b"\xbe")


def test_a_name_may_come_from_an_entry_that_its_field_evicts(memory: Memory[Field]) -> None:
    decoder = Decoder(memory, table_size=40)
    decoder.decode(indexed(b"name", b"1"))
    assert pairs(decoder.decode(b"\x7e\x041234\xbe")) == [(b"name", b"1234")] * 2


# --- limits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table_size", SIZES)
@pytest.mark.parametrize("most_bytes", [1000, 65536])
def test_fields_are_counted(memory: Memory[Field], table_size: int, most_bytes: int) -> None:
    decoder = Decoder(memory, table_size=table_size, most_bytes=most_bytes, most_fields=5)
    assert len(decoder.decode(b"\x82" * 5)) == 5
    with pytest.raises(TooLarge, match="6 fields"):
        decoder.decode(b"\x82" * 6)


@pytest.mark.parametrize("table_size", SIZES)
@pytest.mark.parametrize("huffman", [False, True])
def test_decoded_bytes_are_counted(memory: Memory[Field], table_size: int, huffman: bool) -> None:
    """1,000 of them, 32 a field: two characters of `a` in 10 bits, where it is a Huffman code."""

    def long(length: int) -> bytes:
        coded = int("00011" * length + "1" * (-length * 5 % 8), 2).to_bytes((length * 5 + 7) // 8)
        return b"\x00\x01x" + (
            integers.written(len(coded), 0x7F, 0x80) + coded if huffman else literal(b"", b"a" * length)[2:]
        )

    decoder = Decoder(memory, table_size=table_size, most_bytes=1000)
    for _ in range(2):
        assert pairs(decoder.decode(long(967))) == [(b"x", b"a" * 967)]
        with pytest.raises(TooLarge, match="1001 bytes"):
            decoder.decode(long(968))
        with pytest.raises(TooLarge, match="bytes"):
            decoder.decode(long(400) + long(600))


def test_the_table_is_right_after_too_large_a_block(memory: Memory[Field], maker: Maker) -> None:
    decoder = Decoder(memory, most_bytes=1000, most_fields=3)
    with pytest.raises(TooLarge):
        decoder.decode(b"\x82" * 4 + indexed(b"a", b"1") + literal(b"x", b"y" * 1000) + indexed(b"b", b"2"))
    assert maker.made == []
    assert pairs(decoder.decode(b"\xbe\xbf")) == [(b"b", b"2"), (b"a", b"1")]


def test_a_bomb_of_references(memory: Memory[Field], maker: Maker) -> None:
    """16 KiB that would be 64 MiB."""
    decoder = Decoder(memory)
    decoder.decode(indexed(b"a", b"x" * 4000))
    maker.made.clear()
    with pytest.raises(HpackError, match="more than 262144 bytes"):
        decoder.decode(b"\xbe" * 16384)
    assert maker.made == []


@pytest.mark.parametrize("table_size", SIZES)
def test_a_bomb_of_small_fields(memory: Memory[Field], table_size: int) -> None:
    with pytest.raises(HpackError, match="more than"):
        Decoder(memory, table_size=table_size).decode(b"\x82" * 100_000)


# --- malformed fields ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table_size", SIZES)
def test_a_malformed_field_is_not_remembered(memory: Memory[Field], maker: Maker, table_size: int) -> None:
    decoder = Decoder(memory, table_size=table_size)
    for _ in range(2):
        with pytest.raises(ValueError, match="bad"):
            decoder.decode(literal(b"bad", b"1"))
    assert maker.made == fields("bad: 1", "bad: 1")


def test_the_table_is_right_after_a_malformed_field(memory: Memory[Field]) -> None:
    decoder = Decoder(memory)
    with pytest.raises(ValueError, match="bad"):
        decoder.decode(indexed(b"a", b"1") + indexed(b"bad", b"2") + indexed(b"b", b"3"))
    assert pairs(decoder.decode(b"\xbe\xc0")) == fields("b: 3", "a: 1")
    with pytest.raises(ValueError, match="bad"):
        decoder.decode(b"\xbf")


# --- what is remembered ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encoded",
    [
        b"\x82",
        literal(b":path", b"/a"),
        literal(b"user-agent", b"a"),
        literal(b"x-a", b"a"),
        indexed(b"x-a", b"a"),
        b"\x7a\x01a",
        b"\x04\x81\x1f",
    ],
)
def test_a_field_is_made_once_for_all_connections(memory: Memory[Field], maker: Maker, encoded: bytes) -> None:
    found = [Decoder(memory, table_size=0).decode(encoded) for _ in range(3)]
    assert len(maker.made) == 1
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
    "encoded",
    [
        literal(b"cookie", b"a"),
        b"\x60\x01a",
        indexed(b"x-request-id", b"a"),
        never_indexed(b":path", b"/a"),
        never_indexed(b"x-a", b"a"),
        literal(b"x-a", b"a" * LONGEST),
    ],
)
def test_what_is_not_remembered(memory: Memory[Field], maker: Maker, encoded: bytes) -> None:
    """Secrets, what hardly repeats, and what is long."""
    decoder = Decoder(memory, table_size=0)
    assert decoder.decode(encoded) == decoder.decode(encoded)
    assert len(maker.made) == 2
    assert not memory.seen


def test_nothing_that_leans_on_a_table_is_remembered(memory: Memory[Field]) -> None:
    """The same bytes mean something else on the next connection."""
    for name in (b"a", b"b"):
        decoder = Decoder(memory)
        decoder.decode(indexed(name, b"1"))
        assert pairs(decoder.decode(b"\xbe\x0f\x2f\x012")) == [(name, b"1"), (name, b"2")]


def test_the_memory_is_bounded(memory: Memory[Field]) -> None:
    decoder = Decoder(memory, table_size=0)
    for number in range(MOST):
        decoder.decode(literal(b"x", b"%d" % number))
    assert len(memory.seen) == MOST
    assert pairs(decoder.decode(literal(b"y", b"1") + literal(b"x", b"1"))) == fields("y: 1", "x: 1")
    assert len(memory.seen) == 2


def test_huffman_coded_names_are_remembered_within_bounds(memory: Memory[Field]) -> None:
    """`0`, `1`, `2` and `a` are the codes 0 to 3 of 5 bits: 8 of them in 5 bytes, 65,536 such names."""
    decoder = Decoder(memory, table_size=0)
    for number in range(MOST_NAMES + 1):
        digits = [number >> shift & 3 for shift in range(14, -2, -2)]
        coded = int("".join(f"{digit:05b}" for digit in digits), 2).to_bytes(5)
        name = bytes(b"012a"[digit] for digit in digits)
        for _ in range(2):
            assert decoder.decode(b"\x10\x85" + coded + b"\x00") == [(name, b"", True)]
        assert len(memory.names) == number % MOST_NAMES + 1
    assert not memory.seen
