"""The line of the access log: nothing in it can trouble a terminal or a parser."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.model.reason import Cut
from minimesh.model.record import Record
from minimesh.telemetry.accesslog import access_line, as_json, as_text, escaped, fault_of

RECORD = Record(
    id="7f3a000000000000",
    trace_id="0" * 31 + "1",
    request_id="r-1",
    started=10.0,
    duration=0.4041234,
    first_byte=0.4,
    source="orders",
    destination="payments",
    route="/*",
    listener="orders->payments",
    endpoint="payments-1",
    method="POST",
    host="127.0.0.1:9000",
    target="/charge?x=1",
    status=503,
    reason="upstream_refused",
    cut="",
    detail="connect 127.0.0.1:8103: refused",
    bytes_in=52,
    bytes_out=91,
    tries=2,
    client="127.0.0.1:51234",
    protocol="HTTP/1.1",
)
WALL_OFFSET = 1_795_000_000.25
HOSTILE = st.text(st.characters(max_codepoint=255))


def test_json_has_every_field_and_times_for_people() -> None:
    line = json.loads(as_json(access_line(RECORD, WALL_OFFSET, 2)))
    assert line["time"] == "2026-11-18T11:06:50.250Z"
    assert line["duration_ms"] == 404.123
    assert line["first_byte_ms"] == 400.0
    assert (line["status"], line["reason"], line["cut"], line["fault"]) == (503, "upstream_refused", None, "app")
    assert (line["tries"], line["max_tries"], line["secured"]) == (2, 2, "memory")


def test_text_reads_like_a_sentence() -> None:
    assert as_text(access_line(RECORD, WALL_OFFSET, 2)) == (
        "2026-11-18T11:06:50.250Z orders -> payments POST 127.0.0.1:9000 /charge?x=1 503 404.123ms in=52 out=91 "
        "try=2/2 reason=upstream_refused endpoint=payments-1 client=127.0.0.1:51234 id=7f3a000000000000"
    )


def test_a_grpc_call_tells_its_status_and_its_messages() -> None:
    called = RECORD._replace(status=200, reason="", protocol="http/2", grpc_status=14, messages_in=1, messages_out=3)
    line = access_line(called, WALL_OFFSET, 2)
    assert (line["grpc_status"], line["grpc"], line["fault"]) == (14, "UNAVAILABLE", "app")
    assert (line["messages_in"], line["messages_out"]) == (1, 3)
    assert " 200 404.123ms in=52 out=91 try=2/2 grpc=14:UNAVAILABLE messages=1/3 endpoint=" in as_text(line)
    assert fault_of(called._replace(grpc_status=5)) is None
    assert access_line(RECORD, WALL_OFFSET, 2)["messages_in"] is None
    gone = access_line(called._replace(grpc_status=-1, cut="client_gone"), WALL_OFFSET, 2)
    assert (gone["grpc_status"], gone["grpc"], gone["messages_out"]) == (None, None, 3)
    assert " try=2/2 messages=1/3 cut=client_gone " in as_text(gone)
    assert access_line(called._replace(grpc_status=99), WALL_OFFSET, 2)["grpc"] == "99"


def test_nothing_came_and_nothing_went() -> None:
    record = RECORD._replace(
        destination="", route="", method="", host="", target="", status=0, reason="", cut="client_gone",
        detail="", first_byte=0.0, endpoint="",
    )  # fmt: skip
    line = access_line(record, WALL_OFFSET, 2)
    assert (line["first_byte_ms"], line["endpoint"], line["detail"]) == (None, None, None)
    assert "orders -> - - - - - 404.123ms" in as_text(line)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_connection_of_bytes_says_so_where_a_request_has_its_method(protocol: str) -> None:
    record = RECORD._replace(method="", host="", target="", status=0, reason="", protocol=protocol, tries=1)
    assert f"orders -> payments {protocol.upper()} - - - 404.123ms in=52 out=91 try=1/2 endpoint=" in as_text(
        access_line(record, WALL_OFFSET, 2)
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/plain", "/plain"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        ("\x7f\xe9", "\\x7f\\xe9"),
        ("a\\x1b", "a\\\\x1b"),
        ("\u202e", "\\u202e"),
    ],
)
def test_escapes(text: str, shown: str) -> None:
    assert escaped(text) == shown


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_whatever_comes_stays_on_its_line(target: str, host: str, method: str, detail: str) -> None:
    record = RECORD._replace(target=target, host=host, method=method, detail=detail)
    line = access_line(record, WALL_OFFSET, 2)
    for shown in (as_text(line), as_json(line)):
        assert shown.isascii()
        assert shown.isprintable()
    assert len(as_text(line).split(" ")) == len(as_text(access_line(RECORD, WALL_OFFSET, 2)).split(" "))
    assert json.loads(as_json(line)) == line


@given(HOSTILE, HOSTILE)
def test_two_texts_never_look_alike(one: str, other: str) -> None:
    assert (escaped(one) == escaped(other)) == (one == other)


@pytest.mark.parametrize(
    ("status", "reason", "cut", "fault"),
    [
        (200, "", "", None),
        (404, "", "", None),
        (500, "", "", "app"),
        (404, "no_route", "", "client"),
        (503, "draining", "", "mesh"),
        (200, "", "upstream_cut", "app"),
        (0, "", "client_gone", "client"),
    ],
)
def test_whose_fault(status: int, reason: str, cut: str, fault: str | None) -> None:
    found = fault_of(RECORD._replace(status=status, reason=reason, cut=cut))
    assert (found.value if found else None) == fault


def test_every_cut_has_somebody_at_fault() -> None:
    for cut in Cut:
        assert fault_of(RECORD._replace(status=200, reason="", cut=cut.value)) is not None
