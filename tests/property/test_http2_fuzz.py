"""Sessions of HTTP/2, generated, mutated, cut anywhere: never an exception, always a last word or progress."""

import random
from collections.abc import Callable

import pytest

from minimesh.dataplane.codec import FAST, Codec
from minimesh.dataplane.heads import NO_FIELDS, UNKNOWN, Fields, ResponseHead
from minimesh.dataplane.reference import REFERENCE
from minimesh.testing.conformance import Seen
from minimesh.testing.conformance.http2 import Asked, Caller, Endpoint
from minimesh.testing.conformance.http2.wire import (
    ACK,
    COMMON,
    KINDS,
    Code,
    Setting,
    answer,
    block,
    data,
    frame,
    goaway,
    headers,
    ping,
    request,
    rst_stream,
    settings,
    trailers,
    window_update,
)

SESSIONS = 50
SEEDS = pytest.mark.parametrize(
    ("codec", "seed"),
    [*((FAST, seed) for seed in range(6)), *((REFERENCE, seed) for seed in range(2))],
    ids=lambda value: value.name if isinstance(value, Codec) else None,
)
FIELDS = [(b"content-length", b"5"), (b"te", b"trailers"), (b"A", b"b"), (b"x-a", b"b" * 300), (b"cookie", b"a=b")]
STATUSES = [b"200"] * 6 + [b"204", b"103", b"500", b"101"]
TRAILERS = Fields(((b"sum", b"42"),))


class Talk:
    """What a peer says that mostly keeps to the rules. `begun`: streams that it has said something on,
    `open`: those of them that it has not said all of."""

    def __init__(self, rng: random.Random, head: Callable[[random.Random, int], bytes]) -> None:
        self.rng = rng
        self.head = head
        self.open: list[int] = []
        self.begun = 0

    def frame(self, new: int) -> bytes:
        """`new`: a stream to say something on for the first time, 0 if there is none."""
        rng = self.rng
        kind = rng.randrange(20)
        if new and kind < 8:
            head = self.head(rng, new)
            self.begun += 1
            if not head[4] & 1:
                self.open.append(new)
            return head
        if rng.random() < 0.02 or not self.open:
            return self.wild(new or 1) if rng.random() < 0.1 else ping(bytes(8))
        number = rng.choice(self.open[-5:])
        if kind < 13:
            end = rng.random() < 0.2
            if end:
                self.open.remove(number)
            body = bytes(rng.choice([0, 1, 5, 5, 5, 2_000, 16_384]))
            padded = frame("DATA", 8 | end, number, b"\3" + body[:100] + bytes(3))
            return padded if rng.random() < 0.1 else data(number, body, end=end)
        match kind:
            case 13:
                self.open.remove(number)
                return trailers(number, (b"sum", b"42"))
            case 14 | 15:
                return window_update(rng.choice([0, number]), rng.choice([1, 5, 100, 20_000]))
            case 16 if rng.random() < 0.3:
                self.open.remove(number)
                return rst_stream(number, rng.choice(list(Code)))
            case 17:
                size = rng.choice([0, 5, 100, 65_535, 100_000])
                return settings({rng.choice([Setting.INITIAL_WINDOW_SIZE, Setting.MAX_CONCURRENT_STREAMS]): size})
            case 18:
                return rng.choice([frame("PRIORITY", 0, number, bytes(5)), b"\0\0\0\xee\0\0\0\0\0"])
            case 19 if rng.random() < 0.1:
                return goaway(rng.choice([0, number, 2**31 - 1]), Code.NO_ERROR)
        return ping(bytes(8), ACK)

    def wild(self, number: int) -> bytes:
        rng = self.rng
        return frame(rng.choice(KINDS), rng.randrange(256), number, rng.randbytes(rng.choice([0, 4, 5, 8])))


def some_fields(rng: random.Random) -> list[tuple[bytes, bytes]]:
    return rng.sample(FIELDS, rng.choice([1, 2])) if rng.random() < 0.2 else [(b"x-a", b"b")]


def some_request(rng: random.Random, number: int) -> bytes:
    fields = some_fields(rng)
    if rng.random() < 0.1:
        tunnel = ((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"))
        return headers(number, block((*tunnel, (b":path", b"/"), (b":authority", b"a"))), rng.random() < 0.1)
    if rng.random() < 0.1:
        return frame("HEADERS", 1, number, COMMON[:3]) + frame("CONTINUATION", 4, number, COMMON[3:])
    return request(number, *fields, method=rng.choice([b"GET", b"HEAD", b"POST"]), end=rng.random() < 0.5)


def some_answer(rng: random.Random, number: int) -> bytes:
    fields = some_fields(rng)
    return answer(number, *fields, status=rng.choice(STATUSES), end=rng.random() < 0.3)


def mutated(rng: random.Random, sent: bytes) -> bytes:
    if rng.random() < 0.99 or not sent:
        return sent
    changed = bytearray(sent)
    at = rng.randrange(len(changed))
    match rng.randrange(3):
        case 0:
            changed[at] ^= 1 << rng.randrange(8)
        case 1:
            del changed[at : at + rng.randrange(1, 12)]
        case _:
            changed[at:at] = rng.randbytes(rng.randrange(1, 12))
    return bytes(changed)


def steps_of(rng: random.Random) -> int:
    return rng.choice([0, 0, 0, 1, 7, 1_000])


@SEEDS
def test_callers(codec: Codec, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(SESSIONS):
        caller = Caller(codec, steps_of(rng), answer=None)
        talk = Talk(rng, some_request)
        finished: set[Seen] = set()
        for _ in range(rng.choice([5, 20, 60])):
            caller.send(mutated(rng, talk.frame(2 * talk.begun + 1)))
            act_as_exchanges(rng, caller, finished)
            if rng.random() < 0.1:
                disturb(rng, caller)
        check_caller(caller, finished)


def act_as_exchanges(rng: random.Random, caller: Caller, finished: set[Seen]) -> None:
    for seen in caller.seen[-4:]:
        if seen in finished or seen.cut or seen.refused or rng.random() < 0.6:
            continue
        server = seen.server
        has_begun = seen.begun
        match rng.randrange(8):
            case 0 if not has_begun:
                server.send_informational(ResponseHead(103))
            case 1 if not has_begun:
                upgrade = seen.head.upgrade
                seen.begun = True
                head = ResponseHead(101, upgrade=upgrade) if upgrade else ResponseHead(200, NO_FIELDS, UNKNOWN)
                server.send_head(head, b"x", False)
            case 2 if not has_begun:
                finished.add(seen)
                server.send_head(ResponseHead(204), b"", True)
            case 3 if has_begun:
                server.send_data(bytes(rng.choice([0, 1, 20_000])))
            case 4 if has_begun and not seen.head.upgrade:
                finished.add(seen)
                server.send_end(rng.choice([None, TRAILERS]))
            case 5:
                server.pause()
            case 6:
                server.resume()
            case 7 if rng.random() < 0.2:
                finished.add(seen)
                server.reset()
            case _:
                server.arm(caller.clock.monotonic() + rng.random())
    caller.settle()


def disturb(rng: random.Random, caller: Caller) -> None:
    match rng.randrange(6):
        case 0:
            caller.advance(rng.choice([0.2, 2, 12, 40]))
        case 1:
            caller.connection.drain()
        case 2:
            caller.transport.stall()
        case 3:
            caller.transport.take(rng.choice([None, 100]))
        case 4 if rng.random() < 0.2:
            caller.transport.lose()
        case _:
            caller.settle()


def check_caller(caller: Caller, finished: set[Seen]) -> None:
    """Whatever came, it is over in good time, with every exchange told."""
    if caller.open and not caller.transport.is_closing():
        caller.transport.take()
        caller.connection.drain()
    caller.advance(1.5)
    for seen in caller.seen:
        if seen not in finished and not seen.cut and not seen.refused:
            finished.add(seen)
            seen.server.reset()
    caller.advance(60)
    if caller.open:
        caller.transport.end()
    assert not caller.open
    assert all(seen.cut or seen.refused or seen in finished for seen in caller.seen)
    assert not caller.wheel._slots or all(not slot for slot in caller.wheel._slots.values())


@SEEDS
def test_endpoints(codec: Codec, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(SESSIONS):
        endpoint = Endpoint(codec, steps_of(rng))
        asked: list[Asked] = []
        given_up: set[Asked] = set()
        talk = Talk(rng, some_answer)
        for _ in range(rng.choice([5, 20, 60])):
            if rng.random() < 0.4 and endpoint.connection.room:
                body = bytes(rng.choice([0, 5, 20_000]))
                method = rng.choice([b"GET", b"HEAD", b"POST"])
                asked.append(endpoint.ask(method, data=body, length=UNKNOWN, end=rng.random() < 0.7))
            endpoint.send(mutated(rng, talk.frame(2 * talk.begun + 1 if talk.begun < len(asked) else 0)))
            for each in asked[-3:]:
                if each in given_up or each.ended or each.cut or rng.random() < 0.7:
                    continue
                match rng.randrange(4):
                    case 0:
                        each.stream.pause()
                    case 1:
                        each.stream.resume()
                    case 2:
                        each.stream.send_data(bytes(rng.choice([0, 1, 20_000])))
                    case _:
                        given_up.add(each)
                        each.stream.reset()
            endpoint.settle()
            if rng.random() < 0.05:
                endpoint.advance(rng.choice([0.2, 2, 301]))
        endpoint.connection.withdraw()
        for each in asked:
            if not each.ended and not each.cut and each not in given_up:
                given_up.add(each)
                each.stream.reset()
        endpoint.advance(400)
        if not endpoint.lost:
            endpoint.transport.end()
        assert endpoint.lost
        assert all(each.ended or each.cut or each in given_up for each in asked)
        assert not endpoint.connection.active
        assert all(not slot for slot in endpoint.wheel._slots.values())
