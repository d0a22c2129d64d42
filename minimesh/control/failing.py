"""What to say of a service that keeps crashing and is not started again: MM301, with what may be wrong."""

import re
from collections.abc import Mapping
from pathlib import Path

from minimesh.control import codes
from minimesh.control.report import Problem
from minimesh.model.project import Project
from minimesh.spec.dotenv import scan_env_file
from minimesh.spec.load import ENV_FILE
from minimesh.supervise.restarts import exit_text, outlook
from minimesh.supervise.status import InstanceStatus

_VARIABLE = re.compile(r"\b[A-Z][A-Z0-9_]{2,}\b")


def given_up(project: Project, status: InstanceStatus, env: Mapping[str, str]) -> Problem:
    """env: what the program gets. Reads the project's .env: not on the loop."""
    name, streak = status.name, status.streak
    ended = status.reason if status.exit_code is None else exit_text(status.exit_code)
    message = f"{name} keeps crashing: {ended}, {outlook(streak, streak.latest) if streak else 'not started again'}"
    again = f"minimesh restart {name}"
    evidence, help_ = [], f"minimesh logs {name} -n 50, then: {again}"
    where = str(project.services[name].where)
    if status.last_stderr:
        hint = ""
        if (variable := _only_in_env_file(project.root / ENV_FILE, status.last_stderr, env)) is not None:
            hint = f"      ({variable} is set in {ENV_FILE}, {name} does not get it)"
            help_ = f'add `env_file = "{ENV_FILE}"` under [services.{name}], then: {again}'
        evidence.append(f"last stderr: {status.last_stderr}{hint}")
    return Problem(codes.CRASH_LOOP, message, where, tuple(evidence), help_)


def _only_in_env_file(file: Path, said: str, env: Mapping[str, str]) -> str | None:
    """A variable that the program speaks of and does not get, though it stands in the .env of the project."""
    candidates = [word for word in _VARIABLE.findall(said) if word not in env]
    if not candidates:
        return None
    there, _ = scan_env_file(file, str(file))
    return next((word for word in candidates if word in there), None)
