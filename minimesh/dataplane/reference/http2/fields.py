"""Fields between hpack and the readings of heads that both codecs share."""

from collections.abc import Iterable

import hpack

from minimesh.dataplane.heads import Fields, OutgoingHead, ResponseHead
from minimesh.dataplane.http2.fields import Field
from minimesh.dataplane.http2.frames import Code, ConnectionFault
from minimesh.dataplane.http2.hpack import SECRETS, Memory, TooLarge
from minimesh.dataplane.http2.hpack.table import OVERHEAD, Entry
from minimesh.dataplane.websocket import without_key

Pairs = list[tuple[bytes, bytes]]

_MOST_BYTES = 1024 * 1024
"""Of a block that is refused, but has to be decoded for the table that it goes into."""


class Unpacker:
    """The blocks of one peer. `most_…`: of one block, counted as in SETTINGS_MAX_HEADER_LIST_SIZE."""

    def __init__(self, memory: Memory[Field], most_bytes: int, most_fields: int) -> None:
        self._decoder = hpack.Decoder(max_header_list_size=_MOST_BYTES)
        self._memory = memory
        self._most_bytes = most_bytes
        self._most_fields = most_fields

    def end_table(self) -> None:
        """The peer knows that it has none."""
        self._decoder.max_allowed_table_size = 0

    def unpack(self, block: bytes) -> list[hpack.HeaderTuple]:
        """Has to be done with each block, whatever becomes of it. Raises ConnectionFault."""
        try:
            if self._decoder.header_table_size > self._decoder.max_allowed_table_size and not _resizes(block):
                return self._without_table(block)
            return list(self._decoder.decode(block, raw=True))
        except hpack.HPACKError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, f"a block of fields is malformed: {error}") from error

    def _without_table(self, block: bytes) -> list[hpack.HeaderTuple]:
        """That a peer has not shrunk its table is held against it only once it uses it: gRPC's own servers write some
        answers past their encoder."""
        aside = hpack.Decoder(max_header_list_size=_MOST_BYTES)
        unpacked = list(aside.decode(block, raw=True))
        if aside.header_table.dynamic_entries:
            raise ConnectionFault(Code.COMPRESSION_ERROR, "the table's size should have been set to 0")
        return unpacked

    def read(self, unpacked: list[hpack.HeaderTuple]) -> list[Field]:
        """Checked, each for itself. Raises TooLarge, Malformed."""
        size = sum(len(name) + len(value) + OVERHEAD for name, value in unpacked)
        if size > self._most_bytes:
            raise TooLarge(f"{size} bytes of fields, more than {self._most_bytes}")
        if len(unpacked) > self._most_fields:
            raise TooLarge(f"{len(unpacked)} fields, more than {self._most_fields}")
        return [self._memory.item_of(Entry(field[0], field[1], not field.indexable)) for field in unpacked]


def _resizes(block: bytes) -> bool:
    """It begins with an update of the table's size (RFC 7541, section 6.3)."""
    return block[:1] != b"" and block[0] & 0xE0 == 0x20


def packable(pairs: Iterable[tuple[bytes, bytes]]) -> list[hpack.HeaderTuple]:
    """For the library; nobody on the way may keep what is secret (RFC 7541, section 7.1.3)."""
    return [
        (hpack.NeverIndexedHeaderTuple if name in SECRETS else hpack.HeaderTuple)(name, value) for name, value in pairs
    ]


def of_request(request: OutgoingHead, request_id: bytes, traceparent: bytes) -> list[hpack.HeaderTuple]:
    pairs: Pairs = [(b":method", b"CONNECT" if request.upgrade else request.method)]
    if request.upgrade:
        pairs.append((b":protocol", request.upgrade))
    pairs += [
        (b":scheme", b"https" if request.secured else b"http"),
        (b":path", request.target),
        (b":authority", request.authority),
    ]
    pairs += (without_key(request.fields) if request.upgrade else request.fields).pairs
    pairs += request.forwarded.pairs
    if request.expects_continue:
        pairs.append((b"expect", b"100-continue"))
    return packable([*pairs, (b"x-request-id", request_id), (b"traceparent", traceparent)])


def of_answer(head: ResponseHead) -> list[hpack.HeaderTuple]:
    """A tunnel begins with a 200 here (RFC 8441, section 5)."""
    status = 200 if head.status == 101 else head.status
    return packable([(b":status", b"%d" % status), *head.fields.pairs])


def of_trailers(trailers: Fields) -> list[hpack.HeaderTuple]:
    return packable(trailers.pairs)
