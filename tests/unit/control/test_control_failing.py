"""MM301: what is said of a service that keeps crashing."""

from pathlib import Path

import pytest

from minimesh.control.failing import given_up
from minimesh.model.project import Project
from minimesh.model.service import Service
from minimesh.model.where import Where
from minimesh.supervise.status import InstanceStatus, State, Streak

STREAK = Streak(5, 100.0, 162.0, None, 4)


def project(root: Path) -> Project:
    payments = Service("payments", where=Where("minimesh.toml", 31))
    return Project("shop", "shop.mesh", root, root / "minimesh.toml", services={"payments": payments})


def crashed(said: str, code: int | None = 1, reason: str = "") -> InstanceStatus:
    return InstanceStatus(
        "payments", 1, state=State.CRASH_LOOP, reason=reason, exit_code=code, last_stderr=said, streak=STREAK
    )


def test_a_variable_of_the_env_file_that_the_service_does_not_get(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STRIPE_KEY=sk\n")
    problem = given_up(project(tmp_path), crashed("KeyError: 'STRIPE_KEY'"), {"PATH": "/bin"})
    assert problem.code == "MM301"
    assert problem.message == "payments keeps crashing: exit 1, 5 times in 62 s, not started again"
    assert problem.where == "minimesh.toml:31"
    assert problem.evidence == (
        "last stderr: KeyError: 'STRIPE_KEY'      (STRIPE_KEY is set in .env, payments does not get it)",
    )
    assert problem.help == 'add `env_file = ".env"` under [services.payments], then: minimesh restart payments'


@pytest.mark.parametrize(
    ("content", "env", "said"),
    [
        ("STRIPE_KEY=sk", {"STRIPE_KEY": ""}, "KeyError: 'STRIPE_KEY'"),
        ("OTHER=1", {}, "KeyError: 'STRIPE_KEY'"),
        ("STRIPE_KEY=sk", {}, "no database"),
        ("no assignment", {}, "KeyError: 'STRIPE_KEY'"),
        (None, {}, "KeyError: 'STRIPE_KEY'"),
    ],
)
def test_no_guess_without_evidence(tmp_path: Path, content: str | None, env: dict[str, str], said: str) -> None:
    if content is not None:
        (tmp_path / ".env").write_text(content)
    problem = given_up(project(tmp_path), crashed(said), env)
    assert problem.evidence == (f"last stderr: {said}",)
    assert problem.help == "minimesh logs payments -n 50, then: minimesh restart payments"


def test_one_that_said_nothing(tmp_path: Path) -> None:
    assert given_up(project(tmp_path), crashed("", -11), {}).message.startswith(
        "payments keeps crashing: killed by SIGSEGV, 5 times"
    )
    problem = given_up(project(tmp_path), crashed("", None, "cannot start x: Resource busy"), {})
    assert problem.message.startswith("payments keeps crashing: cannot start x: Resource busy, 5 times in 62 s")
    assert problem.evidence == ()
