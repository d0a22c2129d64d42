"""What passes about programs: half a line, a status of another version, a child of the process that was."""

import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.supervise.inherited import Inherited, ProcessState, partial_from, partial_state, status_from, status_state
from minimesh.supervise.lines import MAX_LINE, LineCutter
from minimesh.supervise.status import InstanceStatus, State, Streak


@given(st.lists(st.binary(max_size=30) | st.just(b"x" * (MAX_LINE + 9)) | st.just(b"\n"), max_size=8), st.data())
def test_a_line_may_be_cut_anywhere(pieces: list[bytes], data: st.DataObject) -> None:
    whole, first = LineCutter(), LineCutter()
    at = data.draw(st.integers(0, len(pieces)))
    expected = [line for piece in pieces for line in whole.feed(piece)] + whole.end()
    lines = [line for piece in pieces[:at] for line in first.feed(piece)]
    second = LineCutter(*partial_from(json.loads(json.dumps(partial_state(*first.rest)))))
    lines += [line for piece in pieces[at:] for line in second.feed(piece)] + second.end()
    assert lines == expected


STATUSES = st.builds(
    InstanceStatus,
    st.text(),
    st.integers(1, 9),
    state=st.sampled_from(State),
    reason=st.text(),
    pid=st.none() | st.integers(1),
    restarts=st.integers(0),
    ready_at=st.none() | st.floats(0, 1e10),
    exit_code=st.none() | st.integers(-64, 255),
    streak=st.none() | st.builds(Streak, st.integers(1), st.floats(0, 1e10), st.floats(0, 1e10), st.none(), st.just(5)),
)


@given(STATUSES)
def test_a_status_stays_what_it_is(status: InstanceStatus) -> None:
    assert status_from(json.loads(json.dumps(status_state(status)))) == status


def test_a_status_of_another_version_is_read_as_far_as_it_goes() -> None:
    assert status_from({"name": "web", "replica": 2, "state": "ready", "mood": "good"}) == InstanceStatus(
        "web", 2, state=State.READY
    )


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)])
def test_a_child_that_was_inherited_tells_its_exit_code(program: str, code: int) -> None:
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    state: ProcessState = {
        "pid": child.pid,
        "stdout": os.dup(child.stdout.fileno()),
        "stderr": os.dup(child.stderr.fileno()),
        "partial": {},
    }
    inherited = Inherited(state)
    assert not os.get_inheritable(state["stdout"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert inherited.poll() == code
    assert inherited.poll() == code, "and again"
    for pipe in (inherited.stdout, inherited.stderr, child.stdout, child.stderr):
        assert pipe is not None
        pipe.close()
    child.returncode = code  # somebody else has waited for it
