"""Floor 1: minimesh.toml in, model out; every mistake at once, with its line and what to write instead."""

from minimesh.spec.codes import explain
from minimesh.spec.dotenv import read_env_file
from minimesh.spec.find import find_file
from minimesh.spec.load import Loaded, load
from minimesh.spec.problem import Place, Problem, Severity, SpecError
from minimesh.spec.profiles import known_profiles, starting
from minimesh.spec.render import as_json, render
from minimesh.spec.single import default_project

__all__ = [
    "Loaded",
    "Place",
    "Problem",
    "Severity",
    "SpecError",
    "as_json",
    "default_project",
    "explain",
    "find_file",
    "known_profiles",
    "load",
    "read_env_file",
    "render",
    "starting",
]
