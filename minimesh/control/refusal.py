"""What the control API answers where it cannot do what it was asked for: errors of 4xx, each with a body."""

from typing import cast

from minimesh.control.report import Problem
from minimesh.control.views import ErrorBody, ProblemView
from minimesh.spec.problem import Problem as Mistake
from minimesh.spec.problem import Severity, SpecError
from minimesh.spec.render import as_json, render


class ApiError(Exception):
    """An answer of 4xx."""

    def __init__(self, status: int, code: str, message: str, help: str = "") -> None:  # noqa: A002 - the field's name
        super().__init__(message)
        self.status = status
        self.body: ErrorBody = {"code": code, "message": message}
        if help:
            self.body["help"] = help


def of_the_file(error: SpecError) -> ApiError:
    """A file cannot be used: everything that was found in it, as `validate` tells it."""
    first = next(each for each in error.problems if each.severity is Severity.ERROR)
    refused = ApiError(422, first.code, first.message, first.help)
    refused.body["where"] = str(first.where)
    refused.body["problems"] = [_problem_view(each) for each in error.problems]
    return refused


def of_the_world(problem: Problem) -> ApiError:
    """The file is right, but not here and now: a port is taken, say."""
    refused = ApiError(409, problem.code, problem.message, problem.help)
    if problem.where:
        refused.body["where"] = problem.where
    if problem.evidence:
        refused.body["evidence"] = list(problem.evidence)
    return refused


def _problem_view(mistake: Mistake) -> ProblemView:
    return cast("ProblemView", {**as_json(mistake), "text": render(mistake)})
