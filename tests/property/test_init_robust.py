"""Whatever another tool's file says, what `init` makes of it is a minimesh.toml that loads, or the file is refused."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.integrations.find import drafts
from minimesh.integrations.join import join
from minimesh.integrations.reading import MalformedError
from minimesh.integrations.write import write
from minimesh.spec import load

NAMES = st.sampled_from(["web", "Web", "api", "db", "gateway", "a_b", "1st", "release", "front", ""])
COMMANDS = st.sampled_from(
    [
        "./run",
        "serve --port 80",
        "serve $PORT",
        "/app/start",
        "node x.js '",
        "a\nb",
        "concurrently 'a b' npm:dev -n x",
        "run-p a b",
    ]
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 99_999) | st.text(max_size=8) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
# No "?": what has to be set is not set here.
VALUES = st.text(st.sampled_from("${}:-+Aab_./@,5432 "), max_size=24) | st.sampled_from(
    ["postgres://u:p@db:5432/x", "http://api:8000", "api:8000", "db", "http://web/", "redis://db", "${A:-${B}}", "$$x"]
)
ENVIRONMENT = st.dictionaries(st.sampled_from(["A", "DB_HOST", "DB_PORT", "PORT", "a-b", ""]), VALUES) | st.lists(
    VALUES.map("A={}".format)
)
DURATION = st.sampled_from(["1m30s", "10s", "0s", "x", "9999999999h", "1ns", "500ms"])
NUMBER = st.sampled_from([0, 1, 2, 7, 200, 10**12, "3", "x"])
CONDITIONS = st.sampled_from(
    [
        "service_healthy",
        "service_started",
        "service_completed_successfully",
        "process_healthy",
        "process_completed",
        "x",
    ]
)
NEEDS = st.lists(NAMES, max_size=3) | st.dictionaries(
    NAMES, st.fixed_dictionaries({"condition": CONDITIONS}), max_size=3
)
PORTS = st.lists(
    st.sampled_from(["80", "8080:80", "${P}:81", "${P:-5}:82", "1.1.1.1:1:1", "x:y", "70000:1", 99, "a..b:1:1"])
)
PROBE = st.fixed_dictionaries(
    {},
    optional={
        "http_get": st.fixed_dictionaries({}, optional={"path": VALUES, "port": NUMBER}),
        "exec": st.fixed_dictionaries({"command": COMMANDS}),
        "period_seconds": NUMBER,
        "timeout_seconds": NUMBER,
        "failure_threshold": NUMBER,
    },
)


def or_junk(known: dict[str, st.SearchStrategy[object]]) -> st.SearchStrategy[object]:
    """A mapping of known keys, now and then with a value that is nothing of the kind."""
    return st.fixed_dictionaries({}, optional={key: value | JUNK for key, value in known.items()}) | JUNK


COMPOSE = or_junk(
    {
        "image": st.sampled_from(["postgres", "nginx", "x/y:z"]),
        "build": st.sampled_from([".", "sub", "gone", "https://x", {"context": "sub"}]),
        "command": COMMANDS | st.lists(VALUES, max_size=3),
        "entrypoint": COMMANDS | st.lists(VALUES, max_size=2),
        "environment": ENVIRONMENT,
        "env_file": st.sampled_from(["x.env", ["sub", ".."], {"path": "${A}", "required": False}]),
        "depends_on": NEEDS,
        "ports": PORTS,
        "expose": PORTS,
        "healthcheck": st.fixed_dictionaries(
            {},
            optional={
                "test": st.lists(VALUES, max_size=3).map(lambda words: ["CMD", *words]) | VALUES | COMMANDS,
                "interval": DURATION,
                "timeout": DURATION,
                "start_period": DURATION,
                "retries": NUMBER,
            },
        ),
        "restart": st.sampled_from(["no", "always", "on-failure:3", "on-failure:99999999", "unless-stopped", "x"]),
        "stop_signal": st.sampled_from(["SIGINT", "int", "9", "SIGX"]),
        "stop_grace_period": DURATION,
        "deploy": st.fixed_dictionaries({"replicas": NUMBER}),
        "scale": NUMBER,
        "profiles": st.lists(NAMES, max_size=3),
    }
)
PROCESS = or_junk(
    {
        "command": COMMANDS,
        "working_dir": st.sampled_from(["sub", "gone", "$A", "./sub/"]),
        "environment": ENVIRONMENT,
        "depends_on": NEEDS,
        "readiness_probe": PROBE,
        "ready_log_line": VALUES,
        "replicas": NUMBER,
        "availability": st.fixed_dictionaries(
            {
                "restart": st.sampled_from(["no", "always", "on_failure"]),
                "backoff_seconds": NUMBER,
                "max_restarts": NUMBER,
            }
        ),
        "shutdown": st.fixed_dictionaries({"signal": NUMBER, "timeout_seconds": NUMBER}),
        "disabled": st.booleans(),
    }
)
APP = or_junk(
    {
        "appID": NAMES,
        "appDirPath": st.sampled_from(["sub", "gone", "sub/"]),
        "command": st.lists(VALUES, min_size=1, max_size=3) | COMMANDS,
        "appPort": NUMBER | st.integers(1, 65535),
        "env": ENVIRONMENT,
        "enableAppHealthCheck": st.booleans(),
        "appHealthCheckPath": VALUES,
    }
)
PACKAGE = st.fixed_dictionaries(
    {}, optional={"name": NAMES, "scripts": st.dictionaries(st.sampled_from(["dev", "start", "a", "b"]), COMMANDS)}
)
FILES = {
    "compose.yaml": st.fixed_dictionaries(
        {"services": st.dictionaries(NAMES | st.text(max_size=5), COMPOSE, max_size=4) | JUNK}
    ),
    "process-compose.yaml": st.fixed_dictionaries(
        {"processes": st.dictionaries(NAMES, PROCESS, max_size=4) | JUNK}, optional={"environment": ENVIRONMENT}
    ),
    "dapr.yaml": st.fixed_dictionaries({"apps": st.lists(APP, max_size=3) | JUNK}),
    "package.json": PACKAGE,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("init")
    (root / "sub").mkdir()
    (root / "x.env").touch()
    return root


def loads(folder: Path) -> None:
    joined = join(drafts(folder))
    text = write(joined)
    (folder / "minimesh.toml").write_text(text, encoding="utf-8")
    project = load(folder / "minimesh.toml", {}).project
    assert set(project.services) | set(project.tasks) == set(joined.entries)
    if joined.front:
        assert project.gateway
        assert project.gateway.routes[0].to == joined.front


@given(
    st.fixed_dictionaries({}, optional=FILES), st.lists(st.tuples(st.sampled_from(["web", "Worker", "api"]), COMMANDS))
)
def test_what_is_written_loads(folder: Path, documents: dict[str, object], lines: list[tuple[str, str]]) -> None:
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    (folder / "Procfile").write_text("".join(f"{name}: {command.splitlines()[0]}\n" for name, command in lines))
    loads(folder)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.text(st.sampled_from(": -[]{}#&*!|>'\"%@`\n ab"), max_size=30)
)
def test_any_text_is_understood_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    for name in (
        "compose.yaml",
        "process-compose.yaml",
        "dapr.yaml",
        "Procfile",
        "package.json",
        "pnpm-workspace.yaml",
    ):
        for other in folder.iterdir():
            other.unlink()
        (folder / name).write_text(text, encoding="utf-8")
        if name == "pnpm-workspace.yaml":
            (folder / "package.json").write_text("{}")
        with contextlib.suppress(MalformedError):
            loads(folder)
