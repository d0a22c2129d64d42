"""Whatever stands in a minimesh.toml, the answer is a project or problems, never anything else."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimesh.spec import Problem, SpecError, as_json, explain, load, render

tomli_w = pytest.importorskip("tomli_w")

_KEYS = """
version mesh name trust_domain hop defaults gateway http limits head routes host path to strip_prefix timeout
services tasks web api seed run cwd env env_file port depends_on calls ready tcp log exec every within restart
policy backoff max stop signal replicas address request idle telemetry access_log format logs max_size keep self
image retries when
"""
_TEXTS = """
memory none off 2s 1s..2s 64KiB /a/* ~^/x /healthz web api seed ready completed always TERM json
127.0.0.1:80 http://x.test ${web.url} ${HOME} ${X:-y} ${ $${ python
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


def check(content: bytes) -> None:
    problems: tuple[Problem, ...] | None = None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "minimesh.toml"
        file.write_bytes(content)
        try:
            load(file, {"HOME": "/root"})
        except SpecError as error:
            problems = error.problems
    assert problems != ()
    for problem in problems or ():
        assert problem.code in explain
        text = render(problem)
        assert text.replace("\n", "").isprintable()
        assert len(text.split("\n")) <= 5
        assert as_json(problem)["message"]


@settings(max_examples=100, deadline=None)
@given(PROJECTS)
def test_any_table(document: dict[str, object]) -> None:
    check(tomli_w.dumps(document).encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(content: bytes) -> None:
    check(content)
