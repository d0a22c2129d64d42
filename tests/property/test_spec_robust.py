"""Whatever stands in a minimesh.toml, the answer is a project or problems, never anything else."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.spec import Problem, SpecError, as_json, explain, known_profiles, load, render, starting

tomli_w = pytest.importorskip("tomli_w")

_KEYS = """
version mesh name trust_domain hop defaults gateway http limits head routes host path to strip_prefix timeout
services tasks web api seed run cwd env env_file port depends_on calls ready tcp log exec every within restart
policy backoff max stop signal replicas address request idle telemetry access_log format logs max_size keep self
image retries when profiles watch paths ignore action min rps include restart
"""
_TEXTS = """
memory none off 2s 1s..2s 64KiB /a/* ~^/x /healthz web api seed ready completed always TERM json
127.0.0.1:80 http://x.test ${web.url} ${HOME} ${X:-y} ${ $${ python signal:HUP restart once changed:a/** changed:
*.toml included.toml minimesh.local.toml ../*.toml **/*.toml [ [!] full
"""
WORDS = _KEYS.split()
TEXTS = st.sampled_from(_TEXTS.split()) | st.sampled_from(WORDS) | st.text(max_size=8)
VALUES = st.recursive(
    TEXTS | st.integers(-1, 70000) | st.booleans() | st.floats() | st.dates() | st.times(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)
TABLES = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=8)
PROJECTS = st.fixed_dictionaries(
    {"version": st.just(1) | VALUES},
    optional={
        "services": st.dictionaries(st.sampled_from(["web", "api", "gateway", "X"]), TABLES | VALUES, max_size=3),
        "tasks": st.dictionaries(st.sampled_from(["seed", "web"]), TABLES, max_size=2),
        "gateway": TABLES,
        "defaults": TABLES,
        "mesh": TABLES,
        "telemetry": TABLES,
        "logs": TABLES | VALUES,
    },
)


def check(content: bytes, files: Mapping[str, bytes] | None = None, overrides: Sequence[str] = ()) -> None:
    """`files`: further ones by name; those that are called further.toml are named with -f."""
    problems: tuple[Problem, ...] | None = None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "minimesh.toml"
        for name, other in {"minimesh.toml": content, **(files or {})}.items():
            (Path(folder) / name).write_bytes(other)
        further = [Path(folder) / name for name in files or () if name == "further.toml"]
        try:
            loaded = load(file, {"HOME": "/root"}, further, overrides)
        except SpecError as error:
            problems = error.problems
        else:
            assert set(starting(loaded.project, (), known_profiles(loaded.project))) == {
                *loaded.project.services,
                *loaded.project.tasks,
            }
    assert problems != ()
    for problem in problems or ():
        assert problem.code in explain
        text = render(problem)
        assert text.replace("\n", "").isprintable()
        assert len(text.split("\n")) <= 5
        assert as_json(problem)["message"]


def written(document: dict[str, object]) -> bytes:
    return str(tomli_w.dumps(document)).encode("utf-8", "surrogatepass")


@settings(max_examples=100, deadline=None)
@given(PROJECTS)
def test_any_table(document: dict[str, object]) -> None:
    check(written(document))


NAMES = st.sampled_from(["included.toml", "b.toml", "minimesh.local.toml", "further.toml", ".env"])
KEYS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(".".join)
OVERRIDES = st.lists(st.tuples(KEYS, TEXTS | st.text(max_size=20)).map("=".join) | st.text(max_size=20), max_size=3)


@settings(max_examples=60, deadline=None)
@given(PROJECTS, st.dictionaries(NAMES, PROJECTS | TABLES, max_size=3), OVERRIDES)
def test_any_tables_in_several_files(
    document: dict[str, object], others: dict[str, dict[str, object]], overrides: list[str]
) -> None:
    document["include"] = ["included.toml", "*.toml"]
    check(
        written(document), {"included.toml": b"", **{name: written(other) for name, other in others.items()}}, overrides
    )


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(NAMES, st.binary(max_size=40), max_size=3), st.lists(st.text(max_size=30), max_size=2))
def test_any_bytes_in_further_files_and_options(others: dict[str, bytes], overrides: list[str]) -> None:
    check(b'version = 1\ninclude = ["*.toml"]\n', others, overrides)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(content: bytes) -> None:
    check(content)
