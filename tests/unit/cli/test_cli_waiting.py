"""`wait`, `start` and their kin: what counts as there, what as never."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., tuple[int, str, str]]


def service(name: str, state: str, **facts: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "name": name,
        "kind": "service",
        "state": state,
        "ready": 1 if state in ("running", "completed") else 0,
        "replicas": 1,
        "restarts": 0,
        "up_ms": None,
        "pid": 7 if state in ("running", "starting") else None,
        "listen": None,
        "meshed": None,
        "reason": None,
        "instances": [],
    }
    return known | facts


TRIES = {"outlook": "next try in 16 s (4 of 5)", "last_stderr": None}
GIVEN_UP = {"outlook": "5 times in 62 s, not started again", "last_stderr": None}


@pytest.mark.parametrize(
    ("states", "words", "code", "told"),
    [
        ([service("a", "running"), service("b", "completed", kind="task")], [], 0, "a ready\nb completed\n"),
        ([service("a", "running"), service("b", "pending")], [], 0, "a ready\n"),
        ([service("a", "running", replicas=2)], ["--timeout", "0"], 4, "error[MM404]: not ready after 0ms: a"),
        ([service("a", "starting", reason="GET / 503")], ["--timeout", "0"], 4, "  a  starting: GET / 503"),
        ([service("a", "failed", pid=7)], ["--timeout", "0"], 4, "  a  failed"),
        ([service("a", "failed", reason="exit 1")], [], 1, "error[MM405]: a did not come up: exit 1"),
        ([service("a", "crash-loop")], [], 1, "error[MM405]: a did not come up: crash-loop"),
        ([service("a", "crash-loop", instances=[TRIES])], ["--timeout", "0"], 4, "  a  crash-loop"),
        ([service("a", "crash-loop", instances=[GIVEN_UP])], ["--timeout", "0"], 1, "a did not come up: crash-loop"),
        ([service("a", "stopped")], ["a"], 1, "error[MM405]: a is stopped\n  help: minimesh start a"),
        ([service("a", "pending")], ["a"], 1, "error[MM405]: a was not started\n  help: minimesh start a"),
        ([service("a", "stopped")], ["a", "--for", "stopped"], 0, "a stopped\n"),
        ([service("a", "running")], ["a", "--for", "stopped", "--timeout", "0"], 4, "not stopped after"),
        ([service("a", "running")], ["a", "--for", "completed"], 2, "a is no task, so it never completes"),
        ([service("t", "failed", kind="task")], ["t", "--for", "completed"], 1, "t did not complete: failed"),
        ([service("web", "running")], ["wbe"], 2, "there is no service 'wbe'; did you mean web?"),
    ],
)
def test_wait(
    mesh: Any, minimesh: Command, states: list[dict[str, Any]], words: list[str], code: int, told: str
) -> None:
    mesh.give("/v1/services", states)
    mesh.give("/v1/mesh", {"state": "ready"})
    ended, out, err = minimesh("wait", *words)
    assert (ended, out) == (code, "")
    assert told in err


def test_the_last_words_are_evidence(mesh: Any, minimesh: Command) -> None:
    instance = {"last_stderr": "KeyError: 'X'", "outlook": None}
    mesh.give("/v1/services", [service("a", "crash-loop", reason="exit 1", instances=[instance])])
    mesh.give("/v1/mesh", {"state": "ready"})
    assert "\n  last stderr: KeyError: 'X'\n" in minimesh("wait", "a")[2]


def test_down_can_forget_what_was_kept_but_not_the_authority(project: Path, minimesh: Command) -> None:
    assert minimesh("down", "-v")[0] == 3
    state = project / ".minimesh"
    (state / "logs").mkdir(parents=True)
    (state / "logs" / "web.log").touch()
    (state / "ports.json").touch()
    assert minimesh("down")[0] == 3
    assert minimesh("down", "-v")[::2] == (0, "no mesh is running here\nremoved .minimesh\n")
    assert not state.exists()
    (state / "ca").mkdir(parents=True)
    (state / ".gitignore").touch()
    (state / "state.db").touch()
    assert minimesh("down", "-v")[2].endswith("removed .minimesh but ca/\n")
    assert {path.name for path in state.iterdir()} == {"ca", ".gitignore"}
