"""Router, wheel, histogram, ring and chunked bodies against the naive way of doing the same."""

import re
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.dataplane.errors import Malformed
from minimesh.dataplane.http1.body import ChunkedBody, FixedBody
from minimesh.dataplane.router import Router, host_of
from minimesh.dataplane.wheel import TICK, Timed, Wheel
from minimesh.model.caller import Caller
from minimesh.model.identity import Identity
from minimesh.model.reason import BAD_REQUEST
from minimesh.model.route import PathKind, PathMatch
from minimesh.telemetry.histogram import BUCKETS, bounds_of, bucket_of, quantile
from minimesh.telemetry.ring import Ring

# --- router ----------------------------------------------------------------------------------------------------

SEGMENTS = st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=4)
PATH = SEGMENTS.map(lambda parts: "/" + "/".join(parts))
MATCH = (
    st.builds(PathMatch, st.just(PathKind.EXACT), PATH)
    | st.builds(PathMatch, st.just(PathKind.PREFIX), PATH.map(lambda path: path.rstrip("/")))
    | st.builds(PathMatch, st.just(PathKind.REGEX), st.sampled_from(["^/a", "^/a/.*b$", ".*", "^/$"]))
)
HOST = st.sampled_from([None, "a.test", "b.a.test", "*.a.test", "*.test", "test"])
ROUTES = st.lists(st.tuples(HOST, MATCH), max_size=8)
AUTHORITY = st.sampled_from(["a.test", "b.a.test", "c.b.a.test:80", "x.test", "test", "other", "", "[::1]:80"])


def host_rank(host: str | None, authority: str) -> int | None:
    """How specific the match is, the lower the better."""
    asked = host_of(authority.encode()).decode()
    if host is None:
        return 10_000
    if host.startswith("*."):
        return 1_000 - len(host) if asked.endswith(host[1:]) else None
    return 0 if host == asked else None


def path_rank(match: PathMatch, path: str, order: int) -> tuple[int, int] | None:
    match match.kind:
        case PathKind.EXACT:
            return (0, order) if path == match.value else None
        case PathKind.PREFIX:
            inside = path == match.value or path.startswith(match.value + "/") or not match.value
            return (10_000 - len(match.value), order) if inside else None
        case PathKind.REGEX:
            return (20_000, order) if re.match(match.value, path) else None


def naive(routes: list[tuple[str | None, PathMatch]], authority: str, path: str) -> int | None:
    ranked = []
    for order, (host, match) in enumerate(routes):
        by_host, by_path = host_rank(host, authority), path_rank(match, path, order)
        if by_host is not None and by_path is not None:
            ranked.append((by_host, by_path, order))
    return min(ranked)[-1] if ranked else None


@given(ROUTES, AUTHORITY, PATH)
def test_the_router_finds_what_a_search_of_all_routes_finds(
    routes: list[tuple[str | None, PathMatch]], authority: str, path: str
) -> None:
    router = Router((host, match, order) for order, (host, match) in enumerate(routes))
    assert router.find(authority.encode(), path.encode()) == naive(routes, authority, path)


# --- wheel -----------------------------------------------------------------------------------------------------


class Alarm(Timed):
    def __init__(self, wheel: Wheel) -> None:
        super().__init__()
        self.wheel = wheel
        self.fired: list[float] = []

    def timed_out(self) -> None:
        self.fired.append(self.wheel.now)


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["arm", "later", "forget", "turn"]), st.integers(0, 2), st.floats(0, 3)), max_size=30
)


@given(ACTIONS)
def test_the_wheel_fires_each_deadline_once_and_within_a_tick(actions: list[tuple[str, int, float]]) -> None:
    now = 50.0
    wheel = Wheel(now)
    alarms = [Alarm(wheel) for _ in range(3)]
    expected = [inf] * 3
    for action, index, amount in (*actions, ("turn", 0, 3.0), ("turn", 0, 3.0), ("turn", 0, 3.0)):
        alarm = alarms[index]
        if action == "arm":
            expected[index] = now + amount
            wheel.arm(alarm, now + amount)
        elif action == "later" and expected[index] != inf:
            alarm.due = expected[index] = expected[index] + amount
        elif action == "forget":
            expected[index] = inf
            wheel.forget(alarm)
        elif action == "turn":
            now += amount
            wheel.turn(now)
            for each, due in enumerate(expected):
                fired = alarms[each].fired
                assert (not fired) or due <= now, "fired too early"
                assert fired or due > now - TICK, "not fired though it was due"
                if fired:
                    assert fired == [now]
                    fired.clear()
                    expected[each] = inf
    assert expected == [inf] * 3


# --- histogram and ring ----------------------------------------------------------------------------------------


@given(st.integers(0, (1 << 32) - 1))
def test_a_duration_lies_in_its_bucket_and_the_bucket_is_narrow(micros: int) -> None:
    low, high = bounds_of(bucket_of(micros))
    assert low <= micros <= high
    assert high - low <= max(low / 16, 0)


def test_buckets_join_without_a_gap() -> None:
    bounds = [bounds_of(bucket) for bucket in range(BUCKETS)]
    assert bounds[0][0] == 0
    assert all(before[1] + 1 == after[0] for before, after in pairwise(bounds))


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_those_of_a_sorted_list(durations: list[int], share: float) -> None:
    counts = [0] * BUCKETS
    for micros in durations:
        counts[bucket_of(micros)] += 1
    rank = max(1, -(-int(share * len(durations) * 1_000_000) // 1_000_000))
    exact = sorted(durations)[rank - 1]
    found = quantile(counts, share)
    assert found is not None
    assert found * 1e6 == pytest.approx(exact, rel=1 / 32, abs=0.5)


RAW = (
    "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    "",
    0.0,
    0.0,
    0.0,
    *[""] * 8,
    200,
    "",
    "",
    "",
    0,
    0,
    1,
    "",
    "",
    -1,
    0,
    0,
    Caller(Identity("shop.mesh", "web")),
)


@given(st.integers(1, 5), st.integers(0, 12), st.integers(0, 12))
def test_the_ring_keeps_the_last_and_counts_what_it_dropped(size: int, count: int, position: int) -> None:
    ring = Ring(0.0, size)
    for number in range(count):
        ring.append((*RAW[:2], float(number), *RAW[3:]))
    batch = ring.since(min(position, count))
    assert [record.started for record in batch.records] == list(range(count))[max(min(position, count), count - size) :]
    assert batch.dropped == max(0, count - size - min(position, count))
    assert batch.next == ring.total == count


# --- bodies ----------------------------------------------------------------------------------------------------


def feed(body: ChunkedBody | FixedBody, data: bytes, size: int) -> tuple[bytes, bytes]:
    pieces: list[bytes] = []
    behind = b""
    for start in range(0, len(data), size):
        part = data[start : start + size]
        behind += part if body.done else body.feed(part, pieces)
    return b"".join(pieces), behind


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), st.binary(max_size=9), st.integers(1, 60))
def test_a_chunked_body_comes_back_whole(chunks: list[bytes], tail: bytes, size: int) -> None:
    coded = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    body = ChunkedBody(BAD_REQUEST)
    assert feed(body, coded + tail, size) == (b"".join(chunks), tail)
    assert body.done


@given(st.binary(max_size=60), st.integers(1, 60))
def test_any_bytes_at_all_are_a_body_or_malformed_however_they_are_cut(data: bytes, size: int) -> None:
    def outcome(step: int) -> object:
        body = ChunkedBody(BAD_REQUEST)
        try:
            return (*feed(body, data, step), body.done) if data else None
        except Malformed:
            return "malformed"

    assert outcome(size) == outcome(max(len(data), 1))


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(1, 60))
def test_a_fixed_body_ends_where_it_says(data: bytes, length: int, size: int) -> None:
    body = FixedBody(length)
    assert feed(body, data, size) == (data[:length], data[length:])
    assert body.done is (len(data) >= length)
