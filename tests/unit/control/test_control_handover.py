"""The value that one image leaves to the next: what comes out is what went in, and what cannot be read is let go."""

import json
import os
import signal
import threading
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh import __version__
from minimesh.control import handover, signals
from minimesh.control.bequeath import address_state, layout_state
from minimesh.control.handover import Body, HandoverError, Heir
from minimesh.control.inherit import address_from, layout_from
from minimesh.control.layout import Layout
from minimesh.model.address import Address, Dialable, UnixAddress

PORTS = st.integers(1, 65_535)
ADDRESSES = st.builds(Address, st.sampled_from(["127.0.0.1", "::1", "0.0.0.0"]), PORTS)
NAMES = st.text("abcdefghij-", min_size=1, max_size=8)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def left(body: object, **changes: object) -> Heir:
    envelope = handover.seal("run", 3, 40, 41, (), cast("Body", body))
    return passed({**envelope, **changes})


def passed(envelope: dict[str, Any]) -> Heir:
    """By way of a descriptor in the environment."""
    descriptor = handover.store(cast("handover.Envelope", envelope))
    assert os.get_inheritable(descriptor)
    environ = {handover.VARIABLE: str(descriptor)}
    heir = handover.receive(environ)
    assert environ == {}, "nobody gets it twice"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert heir is not None
    return heir


@given(ANY_JSON)
def test_what_is_left_is_what_is_received(body: object) -> None:
    heir = left(body)
    assert (heir.run_id, heir.image, heir.lock, heir.signals, heir.version) == ("run", 3, 40, 41, __version__)
    assert heir.body == body


def test_nothing_is_left_as_a_rule() -> None:
    assert handover.receive({}) is None
    assert handover.asked({}) is None
    assert not handover.due({})
    assert handover.due({handover.VARIABLE: "3"})
    assert handover.due({handover.CHECK_VARIABLE: "3"})


def test_a_format_of_another_version_is_not_read_but_let_go() -> None:
    reading, writing = os.pipe()
    inode = os.fstat(reading).st_ino
    heir = left({}, format=handover.FORMAT + 1, version="7.0.0", descriptors=[[reading, inode], [writing, inode + 1]])
    with pytest.raises(HandoverError, match=rf"minimesh 7.0.0 left its state in format {handover.FORMAT + 1}"):
        assert heir.body
    assert heir.leaders() == []
    heir.abandon()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)
    os.close(writing)  # was another file by then, so it stayed open


@pytest.mark.parametrize(
    ("reply", "version"),
    [
        (json.dumps({"version": "1.2.3", "formats": [handover.FORMAT, 9]}).encode(), "1.2.3"),
        (b"", None),
        (b"usage: minimesh", None),
        (b"[]", None),
        (b'{"version": "1.2.3"}', None),
    ],
)
def test_a_program_says_that_it_could_go_on(reply: bytes, version: str | None) -> None:
    assert handover.understood(reply) == version


def test_a_program_that_reads_other_formats_is_named() -> None:
    with pytest.raises(HandoverError, match=r"minimesh 1.2.3 cannot take over"):
        handover.understood(b'{"version": "1.2.3", "formats": [99]}')


def test_this_program_could_go_on_with_itself() -> None:
    reading, writing = os.pipe()
    environ = {handover.CHECK_VARIABLE: str(writing)}
    descriptor = handover.asked(environ)
    assert descriptor == writing
    assert environ == {}
    handover.answer(descriptor)
    os.close(writing)
    assert handover.understood(os.read(reading, 4096)) == __version__
    os.close(reading)


@given(
    st.builds(
        Layout,
        st.none() | ADDRESSES,
        st.dictionaries(st.tuples(NAMES, NAMES), ADDRESSES, max_size=4),
        st.dictionaries(st.tuples(NAMES, st.integers(1, 9)), PORTS, max_size=4),
    )
)
def test_ports_stay_what_they_are(layout: Layout) -> None:
    assert layout_from(json.loads(json.dumps(layout_state(layout)))) == layout


@given(ADDRESSES | st.builds(UnixAddress, st.text(min_size=1)))
def test_addresses_stay_what_they_are(address: Dialable) -> None:
    assert address_from(json.loads(json.dumps(address_state(address)))) == address


def test_a_signal_that_comes_in_between_comes_afterwards() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, _frame: heard.append(number))
    try:
        with signals.kept():
            signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
            assert heard == []
        assert heard == [signal.SIGHUP]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_next_image_hears_what_another_thread_took() -> None:
    """As numbers in the pipe; others than those that stop a mesh are none of its business."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    reading, writing = os.pipe()
    os.write(writing, bytes([signal.SIGTERM, signal.SIGCHLD]))
    os.close(writing)
    try:
        signals.hear(reading)
        assert heard == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)
