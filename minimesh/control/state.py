"""The state file of a project, opened for a run: what is wrong with it, as a person is told."""

import shlex

from minimesh.control import codes
from minimesh.control.paths import StateFolder
from minimesh.control.report import Problem
from minimesh.control.settle import StartError
from minimesh.store.database import Database, opened
from minimesh.store.errors import Flaw, UnusableError
from minimesh.store.migrations import MIGRATIONS

RECOVER = "minimesh recover"


def opened_state(folder: StateFolder) -> Database:
    """Raises StartError."""
    try:
        return opened(folder.state, MIGRATIONS)
    except UnusableError as error:
        raise unusable(folder, error) from error


def unusable(folder: StateFolder, error: UnusableError) -> StartError:
    return StartError(Problem(codes.STATE_FILE, str(error), help=_help(folder, error.flaw)))


def _help(folder: StateFolder, flaw: Flaw) -> str:
    path = shlex.quote(str(folder.state))
    match flaw:
        case Flaw.DAMAGED | Flaw.FOREIGN:
            return RECOVER
        case Flaw.NEWER:
            return "run the minimesh that wrote it, or a newer one: minimesh version"
        case Flaw.IN_USE:
            return f"end what has it open: fuser -v {path}"
        case Flaw.UNREADABLE:
            return f"ls -l {path}"
