"""What a good minimesh.toml becomes."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minimesh.model.address import Address
from minimesh.model.project import AccessLog, Gateway, Hop, Limits, LogFormat, LogLimits, Project
from minimesh.model.route import ANY_PATH, PathKind, PathMatch, Route
from minimesh.model.service import (
    Breaker,
    Command,
    Condition,
    Dependency,
    Probe,
    Ready,
    Restart,
    RestartPolicy,
    Service,
    Stop,
    Timeouts,
)
from minimesh.model.template import Reference, Template, literal
from minimesh.model.where import Where
from minimesh.spec import Loaded, Severity, SpecError, default_project, find_file, load

Load = Callable[[str], Loaded]
ENVIRON = {"PGPASSWORD": "s3cret"}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "My Shop"
    (folder / "web").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def of(root: Path) -> Load:
    def loaded(text: str) -> Loaded:
        file = root / "minimesh.toml"
        file.write_text(f"version = 1\n{text}", encoding="utf-8")
        return load(file, ENVIRON)

    return loaded


def service(of: Load, keys: str, name: str = "web") -> Service:
    return of(f"[services.{name}]\n{keys}\n").project.services[name]


def problems(of: Load, text: str) -> list[tuple[str, int]]:
    with pytest.raises(SpecError) as caught:
        of(text)
    return [(problem.code, problem.where.line) for problem in caught.value.problems]


# ---- the whole


def test_a_shop(of: Load, root: Path) -> None:
    (root / ".env").write_text("PGPASSWORD=from-file\nPGUSER=shop\n")
    (root / "web.env").write_text("")
    loaded = of("""
[mesh]
name = "shop"
trust_domain = "shop.test"
hop = "memory"
[gateway]
http = "0.0.0.0:8080"
limits = { head = "1s", head_size = "1MiB", connections = 5 }
[[gateway.routes]]
host = "*.Shop.test"
path = "/api/*"
to = "orders"
strip_prefix = "/api"
timeout = "3s"
[[gateway.routes]]
to = "web"
[services.web]
run = "exec python web.py ${UNTOUCHED}"
cwd = "web"
env_file = ["web.env", "local.env?"]
env = { DB = "postgres://${PGUSER}:${PGPASSWORD}@${db.host}:${db.port}/", LITERAL = "$${x} $1 }" }
port = 3000
depends_on = { orders = "started", seed = "completed", db = "ready" }
calls = ["web", "orders", "web"]
[services.orders]
run = ["python", "--port", "${self.port}"]
replicas = 3
ready = { log = "listening", within = "1m" }
restart = { backoff = "250ms..5s", max = 0 }
stop = { signal = "INT", within = "0s" }
timeout = { request = "2s", connect = "100ms", idle = "1h" }
[services.db]
address = ["127.0.0.1:5432", "http://[::1]:5433", "http://db.test/", "http://unix:81"]
[tasks.seed]
run = "seed"
depends_on = ["db"]
[telemetry]
access_log = { path = "logs/access.log", format = "text" }
[logs]
max_size = "1KiB"
keep = 0
""")
    project = loaded.project
    assert loaded.warnings == ()
    assert (project.name, project.trust_domain, project.hop) == ("shop", "shop.test", Hop.MEMORY)
    assert (project.root, project.file) == (root, root / "minimesh.toml")
    assert project.access_log == AccessLog(root / "logs/access.log", LogFormat.TEXT)
    assert project.logs == LogLimits(1024, 0)
    assert project.gateway is not None
    assert project.gateway.listen == Address("0.0.0.0", 8080)
    assert project.gateway.limits == Limits(head=1.0, head_size=1024**2, connections=5)
    assert project.gateway.routes == (
        Route("orders", PathMatch(PathKind.PREFIX, "/api"), "*.shop.test", "/api", 3.0, Where("minimesh.toml", 10)),
        Route("web", where=Where("minimesh.toml", 16)),
    )

    web, orders, db = (project.services[name] for name in ("web", "orders", "db"))
    assert web.process is not None
    assert web.process.command == Command((literal("exec python web.py ${UNTOUCHED}"),), shell=True)
    assert web.process.cwd == root / "web"
    assert [(file.path, file.optional) for file in web.process.env_files] == [
        (root / "web.env", False),
        (root / "local.env", True),
    ]
    line = (root / "minimesh.toml").read_text().splitlines()[21]
    assert web.process.env["DB"] == Template(
        (
            "postgres://",
            "shop",
            ":",
            "s3cret",  # the environment wins over .env
            "@",
            Reference("db", "host", Where("minimesh.toml", 22, line.index("${db.host}") + 1)),
            ":",
            Reference("db", "port", Where("minimesh.toml", 22, line.index("${db.port}") + 1)),
            "/",
        )
    )
    assert str(web.process.env["LITERAL"]) == "${x} $1 }"
    assert (web.port, web.has_port, web.ready.probe) == (3000, True, Probe.TCP)
    assert [(need.name, need.condition, need.where.line) for need in web.depends_on] == [
        ("orders", Condition.STARTED, 24),
        ("seed", Condition.COMPLETED, 24),
        ("db", Condition.READY, 24),
    ]
    assert web.calls == ("web", "orders")
    assert web.where == Where("minimesh.toml", 18, 11)

    assert orders.process is not None
    assert not orders.process.command.shell
    assert [str(part) for part in orders.process.command.argv] == ["python", "--port", "${self.port}"]
    assert (orders.replicas, orders.port, orders.has_port) == (3, None, True)
    assert orders.ready == Ready(Probe.LOG, "listening", within=60.0)
    assert orders.restart == Restart(RestartPolicy.ON_FAILURE, 0.25, 5.0, 0)
    assert orders.stop == Stop("INT", 0.0)
    assert orders.timeouts == Timeouts(2.0, 0.1, 3600.0)

    assert db.process is None
    places = [("127.0.0.1", 5432), ("::1", 5433), ("db.test", 80), ("unix", 81)]
    assert db.addresses == tuple(Address(*place) for place in places)
    assert db.ready == Ready(Probe.TCP)
    seed = project.tasks["seed"]
    assert seed.depends_on == (Dependency("db", Condition.READY, seed.depends_on[0].where),)


def test_an_empty_project(of: Load, root: Path) -> None:
    project = of("").project
    assert project == Project("my-shop", "my-shop.mesh", root, root / "minimesh.toml", gateway=Gateway())


@pytest.mark.parametrize(
    ("folder", "name"), [("Shop_2", "shop-2"), ("2nd.shop", "nd-shop"), ("日本", "app"), ("x" * 80, "x" * 63)]
)
def test_a_name_from_the_folder(tmp_path: Path, folder: str, name: str) -> None:
    file = tmp_path / folder / "minimesh.toml"
    file.parent.mkdir()
    file.write_text("version = 1\n")
    assert load(file, {}).project.name == name


# ---- defaults of keys


def test_what_is_left_out(of: Load, root: Path) -> None:
    web = service(of, 'run = "a"')
    assert web.process is not None
    assert web == Service("web", web.process, where=Where("minimesh.toml", 2, 11))
    assert (web.process.cwd, web.process.env, web.process.env_files) == (root, {}, ())


SHORT = [
    ('ready = "/healthz"', "ready", Ready(Probe.HTTP, "/healthz")),
    ("ready = { tcp = true }", "ready", Ready(Probe.TCP)),
    ('ready = { exec = "test -e ${X}" }', "ready", Ready(Probe.EXEC, "test -e ${X}")),
    ('ready = { every = "2s" }', "ready", Ready(Probe.RUNNING, every=2.0)),
    ('ready = { every = "2s" }\nport = 1', "ready", Ready(Probe.TCP, every=2.0)),
    ('restart = "no"', "restart", Restart(RestartPolicy.NO)),
    ('restart = "always"', "restart", Restart(RestartPolicy.ALWAYS)),
    ('restart = { backoff = "2s" }', "restart", Restart(backoff_min=2.0, backoff_max=2.0)),
    ('stop = "1.5s"', "stop", Stop(within=1.5)),
    ('timeout = "250ms"', "timeouts", Timeouts(request=0.25)),
    ('timeout = "off"', "timeouts", Timeouts()),
    ('timeout = { request = "off", idle = "1s" }', "timeouts", Timeouts(idle=1.0)),
    ("", "breaker", Breaker(1024, 1024)),
    ('breaker = "off"', "breaker", None),
    ("breaker = { requests = 16 }", "breaker", Breaker(16, 1024)),
    ("breaker = { requests = 16, waiting = 0 }", "breaker", Breaker(16, 0)),
    ('port = "none"', "has_port", False),
    ('port = "none"', "port", None),
    ('port = "none"', "ready", Ready(Probe.RUNNING)),
    ('env_file = "x.env?"', "replicas", 1),
]


@pytest.mark.parametrize(("keys", "field", "value"), SHORT)
def test_short_and_long_forms(of: Load, keys: str, field: str, value: object) -> None:
    assert getattr(service(of, f'run = "a"\n{keys}'), field) == value


@pytest.mark.parametrize(("line", "log"), [('"a.log"', "a.log"), ('{ path = "a.log" }', "a.log"), ('"off"', None)])
def test_access_log(of: Load, root: Path, line: str, log: str | None) -> None:
    found = of(f"[telemetry]\naccess_log = {line}\n").project.access_log
    assert found == (AccessLog(root / log) if log else None)


def test_gateway_port(of: Load) -> None:
    gateway = of("[gateway]\nhttp = 7080\n").project.gateway
    assert gateway is not None
    assert gateway.listen == Address("127.0.0.1", 7080)


# ---- [defaults]


def test_tables_merge_and_everything_else_is_replaced(of: Load) -> None:
    project = of("""
[defaults]
timeout = "15s"
env = { A = "1", B = "1" }
calls = ["a"]
ready = { http = "/healthz", every = "2s" }
restart = "always"
[services.a]
run = "a"
timeout = { idle = "1s" }
env = { B = "2" }
calls = ["b"]
ready = { log = "up" }
restart = { max = 3 }
[services.b]
run = "b"
timeout = "off"
ready = "/"
[services.c]
address = "127.0.0.1:1"
""").project
    a, b, c = (project.services[name] for name in "abc")
    assert a.process is not None
    assert b.process is not None
    assert a.timeouts == Timeouts(15.0, idle=1.0)
    assert {name: str(value) for name, value in a.process.env.items()} == {"A": "1", "B": "2"}
    assert (a.calls, b.calls) == (("b",), ("a",))
    assert a.ready == Ready(Probe.LOG, "up", every=2.0)
    assert a.restart == Restart(RestartPolicy.ALWAYS, max=3)
    assert b.timeouts == Timeouts(None)
    assert b.ready == Ready(Probe.HTTP, "/", every=2.0)
    # What a service elsewhere cannot have does not come to it by default.
    assert (c.process, c.calls, c.restart, c.timeouts.request) == (None, (), Restart(), 15.0)
    assert c.ready == Ready(Probe.HTTP, "/healthz", every=2.0)


def test_defaults_are_looked_at_without_services(of: Load) -> None:
    assert problems(of, '[defaults]\ntimeout = "2 s"\n') == [("MM004", 3)]


def test_default_probes_give_way_where_they_cannot_work(of: Load) -> None:
    project = of("""
[defaults]
ready = { http = "/healthz", within = "5s" }
[services.worker]
run = "a"
port = "none"
""").project
    assert project.services["worker"].ready == Ready(Probe.RUNNING, within=5.0)


# ---- routes


def test_one_service_gets_everything(of: Load) -> None:
    gateway = of('[gateway]\nhttp = 1\n[services.web]\nrun = "a"\n[tasks.seed]\nrun = "b"\n').project.gateway
    assert gateway is not None
    assert [(route.to, route.path) for route in gateway.routes] == [("web", ANY_PATH)]
    assert gateway.listen == Address("127.0.0.1", 1)


@pytest.mark.parametrize(
    "text",
    [
        '[services.web]\nrun = "a"\n[services.api]\nrun = "b"\n',
        '[services.web]\nrun = "a"\nport = "none"\n',
        "",
    ],
)
def test_otherwise_no_route_is_made_up(of: Load, text: str) -> None:
    gateway = of(text).project.gateway
    assert gateway is not None
    assert gateway.routes == ()


@pytest.mark.parametrize(
    ("written", "match"),
    [
        ("/", PathMatch(PathKind.EXACT, "/")),
        ("/a/b", PathMatch(PathKind.EXACT, "/a/b")),
        ("/a/", PathMatch(PathKind.EXACT, "/a/")),
        ("/*", PathMatch(PathKind.PREFIX, "")),
        ("/a/*", PathMatch(PathKind.PREFIX, "/a")),
        ("~^/v[0-9]+/", PathMatch(PathKind.REGEX, "^/v[0-9]+/")),
    ],
)
def test_paths(of: Load, written: str, match: PathMatch) -> None:
    gateway = of(f'[[gateway.routes]]\npath = "{written}"\nto = "web"\n[services.web]\nrun = "a"\n').project.gateway
    assert gateway is not None
    assert gateway.routes[0].path == match
    assert str(match) == written


def test_a_shadowed_route_is_a_warning(of: Load) -> None:
    loaded = of("""
[[gateway.routes]]
path = "~^/x"
to = "web"
[[gateway.routes]]
to = "web"
[[gateway.routes]]
host = "a.test"
path = "~^/x"
to = "web"
[services.web]
run = "a"
""")
    assert [(problem.code, problem.severity, problem.where.line) for problem in loaded.warnings] == [
        ("MM018", Severity.WARNING, 3)
    ]


# ---- the file itself


def test_find_file_looks_here_and_above(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "minimesh.toml").mkdir()  # a folder of that name is not it
    assert find_file(below) is None
    (tmp_path / "minimesh.toml").write_text("")
    assert find_file(below) == tmp_path / "minimesh.toml"
    (tmp_path / "a" / "minimesh.toml").write_text("")
    assert find_file(below) == tmp_path / "a" / "minimesh.toml"


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"version = 1\nname = '\xff'\n", "MM019", 2),
        ("version = 1".encode("utf-16"), "MM019", 1),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "MM001", 0),
        (b"a = " + b"[" * 200 + b"]" * 200, "MM001", 1),
        (b"a" + b".a" * 3000 + b" = 1", "MM001", 1),
        (b"version = " + b"9" * 5000, "MM001", 1),
    ],
)
def test_a_file_that_is_no_toml(root: Path, content: bytes, code: str, line: int) -> None:
    file = root / "minimesh.toml"
    file.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load(file, {})
    assert [(problem.code, problem.where.line) for problem in caught.value.problems] == [(code, line)]


def test_a_file_that_is_not_there(root: Path) -> None:
    for file in (root / "minimesh.toml", root / "web"):
        with pytest.raises(SpecError) as caught:
            load(file, {})
        assert caught.value.problems[0].code == "MM019"


def test_byte_order_mark_and_line_ends_of_windows(root: Path) -> None:
    file = root / "minimesh.toml"
    file.write_bytes('\ufeffversion = 1\r\n[services.web]\r\nrun = """\r\na\r\nb"""\r\n'.encode())
    web = load(file, {}).project.services["web"]
    assert web.process is not None
    assert str(web.process.command) == "a\nb"
    assert web.where == Where("minimesh.toml", 2, 11)


def test_the_file_is_named_from_the_folder_of_the_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "minimesh.toml"
    file.write_text("version = 2\n")
    for folder in (root, root.parent, root / "web"):
        monkeypatch.chdir(folder)
        with pytest.raises(SpecError) as caught:
            load(file, {})
        assert caught.value.problems[0].where.file == "minimesh.toml"


def test_bad_lines_of_dot_env_are_told_with_the_rest(of: Load, root: Path) -> None:
    (root / ".env").write_text("A=1\nnonsense\n")
    with pytest.raises(SpecError) as caught:
        of('[services.web]\nrun = ["${A}"]\nport = 0\n')
    assert [str(problem.where) for problem in caught.value.problems] == [".env:2", "minimesh.toml:4"]


def test_an_unset_variable_is_met_only_where_its_value_is_used(of: Load) -> None:
    assert problems(of, '[mesh]\nname = "${UNSET}"\n') == [("MM015", 3)]
    assert of('[mesh]\nname = "${UNSET:-${ALSO_UNSET:-shop}}"\n').project.name == "shop"


def test_a_long_chain_and_a_thousand_services_are_quick(of: Load) -> None:
    text = "".join(
        f'[services.s{n}]\nrun = ["a", "${{s{n + 1}.url}}"]\nenv = {{ A = "b" }}\ndepends_on = ["s{n + 1}"]\n'
        f'timeout = "2s"\nready = {{ http = "/", every = "1s" }}\n[[gateway.routes]]\npath = "/{n}/*"\nto = "s{n}"\n'
        for n in range(1000)
    )
    before = time.process_time()
    project = of(text + '[services.s1000]\nrun = "a"\n').project
    assert len(project.services) == 1001
    if sys.gettrace() is None:  # coverage is three times slower
        assert time.process_time() - before < 1.5


@pytest.mark.parametrize("name", ["x" * 5000, "loop", "web/../web/nothing"])
def test_paths_that_cannot_be_looked_at(of: Load, root: Path, name: str) -> None:
    (root / "loop").symlink_to("loop")
    text = f'[services.web]\nrun = "a"\ncwd = "{name}"\nenv_file = ["{name}"]\n'
    assert problems(of, text) == [("MM013", 4), ("MM013", 5)]


def test_dependencies_named_twice_are_there_once_in_order(of: Load) -> None:
    text = '[services.web]\nrun = "a"\ndepends_on = ["c", "b", "c"]\n[services.b]\nrun = "a"\n[tasks.c]\nrun = "a"\n'
    needs = of(text).project.services["web"].depends_on
    assert [(need.name, need.condition) for need in needs] == [
        ("c", Condition.COMPLETED),
        ("b", Condition.READY),
    ]


# ---- no file


@pytest.mark.parametrize(("port", "probe"), [(3000, Probe.TCP), (None, Probe.RUNNING)])
def test_default_project(tmp_path: Path, port: int | None, probe: Probe) -> None:
    project = default_project(["npm", "start"], tmp_path, port)
    app = project.services["app"]
    assert app.process is not None
    assert [str(part) for part in app.process.command.argv] == ["npm", "start"]
    assert not app.process.command.shell
    assert (app.process.cwd, app.port, app.ready.probe) == (tmp_path, port, probe)
    assert project.gateway is not None
    assert [(route.to, route.path) for route in project.gateway.routes] == [("app", ANY_PATH)]
    assert project.root == tmp_path
    assert not os.path.lexists(project.file)
