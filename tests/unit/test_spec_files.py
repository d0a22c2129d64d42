"""Several files and options, and what they become together."""

import glob
import os
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from minimesh.model.address import Address, UnixAddress
from minimesh.model.service import Probe, Restart, RestartPolicy, Scale, Timeouts, Watch, When
from minimesh.spec import Loaded, SpecError, load, read_env_file
from minimesh.spec.addresses import LONGEST_PATH
from minimesh.spec.files import LARGEST
from minimesh.spec.include import matching

WriteAndLoad = Callable[..., Loaded]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def of(root: Path) -> WriteAndLoad:
    """Loads a minimesh.toml of this text, with further files beside it by their names."""

    def loaded(
        text: str, files: dict[str, str] | None = None, further: Sequence[str] = (), overrides: Sequence[str] = ()
    ) -> Loaded:
        for name, content in {"minimesh.toml": f"version = 1\n{text}", **(files or {})}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content)
        return load(root / "minimesh.toml", {}, [root / name for name in further], overrides)

    return loaded


def problems(of: WriteAndLoad, *given: object, **more: object) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as caught:
        of(*given, **more)
    return [(problem.code, str(problem.where)) for problem in caught.value.problems]


# ---- which files, in which order


def test_the_later_wins_from_the_file_to_the_option(of: WriteAndLoad) -> None:
    files = {
        name: f'[services.web.env]\n{letter} = "{name}"\n'
        for name, letter in {"a.toml": "A", "b.toml": "B", "minimesh.local.toml": "C", "further.toml": "D"}.items()
    }
    own = "\n".join(f'{letter} = "own"' for letter in "ABCDEF")
    text = f'include = ["b.toml", "a.toml"]\n[services.web]\nrun = "a"\n[services.web.env]\n{own}\n'
    files["a.toml"] += 'B = "a.toml"\n'  # a comes after b
    files["b.toml"] += 'A = "b.toml"\n'
    files["minimesh.local.toml"] += 'A = "minimesh.local.toml"\n'
    files["further.toml"] += 'E = "further.toml"\n'
    web = of(text, files, ["further.toml"], ["services.web.env.E=option"]).project.services["web"]
    assert web.process is not None
    assert {name: str(value) for name, value in web.process.env.items()} == {
        "A": "minimesh.local.toml",
        "B": "a.toml",
        "C": "minimesh.local.toml",
        "D": "further.toml",
        "E": "option",
        "F": "own",
    }


def test_patterns_bring_their_files_by_name_and_each_once(of: WriteAndLoad, root: Path) -> None:
    names = ["services/b.toml", "services/a.toml", "services/deep/c.toml", "z.toml"]
    files = {name: f'[services.{Path(name).stem}]\nrun = "x"\n' for name in names}
    files |= {"services/notes.txt": "not TOML", "minimesh.local.toml": ""}
    loaded = of('include = ["z.toml", "services/*.toml", "**/*.toml", "*.toml"]\n', files)
    assert [*loaded.project.services] == ["z", "a", "b", "c"]
    assert [os.path.relpath(file, root) for file in loaded.files] == [
        "minimesh.toml",
        "z.toml",
        "services/a.toml",
        "services/b.toml",
        "services/deep/c.toml",
        "minimesh.local.toml",
        ".env",
    ]


def test_what_a_pattern_brings_too_has_its_turn_as_a_further_file(of: WriteAndLoad) -> None:
    files = {f"{name}.toml": f'[services.web]\nrun = "{name}"\n' for name in ("a", "b", "minimesh.local")}
    web = of('include = ["*.toml"]\n', files, ["a.toml"]).project.services["web"]
    assert web.process is not None
    assert str(web.process.command) == "a"


def test_a_local_file_that_is_not_there_is_a_file_to_look_for(of: WriteAndLoad, root: Path) -> None:
    assert of("").files == (root / "minimesh.toml", root / "minimesh.local.toml", root / ".env")


def test_an_absolute_name_and_a_variable_in_it(of: WriteAndLoad, tmp_path: Path) -> None:
    (tmp_path / "common.toml").write_text('[services.web]\nrun = "a"\n')
    for name in (f"{tmp_path}/common.toml", f"{tmp_path}/*.toml", f"${{BASE:-{tmp_path}}}/common.toml", "../*.toml"):
        assert [*of(f'include = ["{name}"]\n').project.services] == ["web"]


def test_a_pattern_without_files_is_a_warning(of: WriteAndLoad) -> None:
    (warning,) = of('include = ["services/*.toml"]\n').warnings
    assert (warning.code, str(warning.where)) == ("MM013", "minimesh.toml:2")


def test_only_the_first_file_needs_a_version(of: WriteAndLoad, root: Path) -> None:
    assert of('include = ["a.toml"]\n', {"a.toml": 'version = 1\n[services.a]\nrun = "a"\n'}).project.services
    (root / "minimesh.toml").write_text('[services.web]\nrun = "a"\n')
    (root / "minimesh.local.toml").write_text("version = 1\n")
    with pytest.raises(SpecError, match="`version` is missing"):
        load(root / "minimesh.toml", {})


def test_files_that_cannot_be_read_are_told_together(of: WriteAndLoad, root: Path) -> None:
    (root / "latin.toml").write_bytes('# \xe4\n[services.db]\naddress = "a:1"\n'.encode("latin-1"))
    text = 'include = ["latin.toml", "cut.toml"]\n[services.web]\nrun = "a"\ndepends_on = ["db"]\nport = 0\n'
    assert problems(of, text, {"cut.toml": "[services"}) == [
        ("MM010", "minimesh.toml:6"),  # but not that there is no db: nobody knows
        ("MM019", "latin.toml:1"),
        ("MM001", "cut.toml:1"),
    ]


def test_a_first_file_that_cannot_be_read_leaves_the_others_to_be_looked_at(of: WriteAndLoad, root: Path) -> None:
    (root / "minimesh.local.toml").write_text("[local")
    (root / "other.toml").write_text("[other")
    assert problems(of, "[first", {}, ["other.toml"], ["x"]) == [
        ("MM001", "minimesh.toml:2"),
        ("MM001", "minimesh.local.toml:1"),
        ("MM001", "other.toml:1"),
        ("MM001", "--set x"),
    ]


def test_files_are_named_from_the_root_wherever_we_are(
    of: WriteAndLoad, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parent / "common.toml").write_text("[common]\n")
    monkeypatch.chdir(root.parent)
    text = 'include = ["services/a.toml", "../common.toml"]\n'
    assert problems(of, text, {"services/a.toml": '[services.a]\nrun = "a"\ncwd = "nowhere"\n'}) == [
        ("MM013", "services/a.toml:3"),
        ("MM002", f"{root.parent}/common.toml:1"),
    ]
    # But what is to be pasted is meant where we are.
    with pytest.raises(SpecError) as caught:
        load(root / "minimesh.toml", {})
    assert caught.value.problems[0].help == "mkdir -p shop/services/nowhere"


# ---- how they merge


def test_tables_merge_also_in_their_short_forms_and_lists_replace(of: WriteAndLoad) -> None:
    text = """
[defaults]
restart = "always"
[services.web]
run = "a"
timeout = "2s"
watch = ["web/**"]
ready = { http = "/", every = "2s" }
calls = ["web", "api"]
replicas = { max = 4, rps = 10 }
[services.api]
run = "a"
"""
    local = """
[defaults.restart]
max = 3
[services.web]
timeout = { idle = "1s" }
watch = { ignore = ["web/x"] }
ready = { log = "up" }
calls = ["api"]
replicas = { rps = 20 }
"""
    web = of(text, {"minimesh.local.toml": local}).project.services["web"]
    assert web.timeouts == Timeouts(2.0, idle=1.0)
    assert web.watch == Watch(Path.cwd(), ("web/**",), ("web/x",))
    assert (web.ready.probe, web.ready.target, web.ready.every) == (Probe.LOG, "up", 2.0)
    assert web.calls == ("api",)
    assert web.restart == Restart(RestartPolicy.ALWAYS, max=3)
    assert (web.replicas, web.scale) == (1, Scale(1, 4, 20.0))


def test_a_service_that_runs_may_be_elsewhere_for_me_and_the_other_way_round(of: WriteAndLoad, root: Path) -> None:
    text = """
[services.web]
run = "a"
cwd = "."
port = 3000
restart = "always"
timeout = "2s"
[services.db]
address = "10.0.0.1:5432"
"""
    local = '[services.web]\naddress = "127.0.0.1:9000"\n[services.db]\nrun = "postgres"\n'
    services = of(text, {"minimesh.local.toml": local}).project.services
    web, db = services["web"], services["db"]
    assert (web.process, web.addresses, web.restart) == (None, (Address("127.0.0.1", 9000),), Restart())
    assert web.timeouts == Timeouts(2.0)
    assert db.process is not None
    assert (str(db.process.command), db.addresses, db.process.cwd) == ("postgres", (), root)


def test_paths_count_from_the_folder_of_their_file(of: WriteAndLoad, root: Path) -> None:
    (root / "services/orders").mkdir(parents=True)
    (root / "services/orders.env").write_text("A=1\n")
    included = """
[services.orders]
run = "a"
cwd = "orders"
env_file = ["orders.env"]
watch = ["orders/**"]
[services.plain]
run = "a"
[tasks.migrate]
run = "a"
when = ["changed:migrations/**", "once"]
[telemetry]
access_log = "access.log"
"""
    local = '[services.plain]\nenv = { A = "1" }\nenv_file = "mine.env?"\nwatch = ["x"]\n'
    files = {"services/orders.toml": included, "minimesh.local.toml": local}
    project = of('include = ["services/*.toml"]\n', files, (), ['services.orders.watch=["from/root"]']).project
    orders, plain = project.services["orders"], project.services["plain"]
    assert orders.process is not None
    assert plain.process is not None
    assert orders.process.cwd == root / "services/orders"
    assert orders.process.env_files[0].path == root / "services/orders.env"
    assert orders.watch == Watch(root, ("from/root",))
    assert project.tasks["migrate"].when == When(False, ("migrations/**",), root / "services")
    assert project.access_log is not None
    assert project.access_log.path == root / "services/access.log"
    # A service runs in the folder of the file that defines it, whoever changes it.
    assert plain.process.cwd == root / "services"
    assert plain.process.env_files[0].path == root / "mine.env"
    assert plain.watch == Watch(root, ("x",))
    assert str(plain.where) == "services/orders.toml:7"
    assert (project.root, project.name) == (root, "shop")


def test_socket_files_count_from_the_folder_of_their_file(of: WriteAndLoad, root: Path) -> None:
    files = {
        "services/pay.toml": '[services.pay]\naddress = ["unix:pay.sock", "unix:../run/pay.sock", "unix:/a.sock"]\n'
    }
    project = of('include = ["services/*.toml"]\n', files, (), ['services.cache.address="unix:cache.sock"']).project
    paths = [root / "services/pay.sock", root / "run/pay.sock", Path("/a.sock")]
    assert project.services["pay"].addresses == tuple(UnixAddress(str(path)) for path in paths)
    assert project.services["cache"].addresses == (UnixAddress(str(root / "cache.sock")),)


def test_a_path_that_only_its_folder_makes_too_long(of: WriteAndLoad, root: Path) -> None:
    room = LONGEST_PATH - len(str(root)) - 1
    assert of(f'[services.pay]\naddress = "unix:{"a" * room}"\n').project.services["pay"].addresses
    with pytest.raises(SpecError, match=f"has {LONGEST_PATH + 1} bytes; a socket's has at most {LONGEST_PATH}"):
        of(f'[services.pay]\naddress = "unix:{"a" * (room + 1)}"\n')


def test_variables_come_from_the_env_file_beside_the_first_file(of: WriteAndLoad, root: Path) -> None:
    (root / "services").mkdir()
    (root / ".env").write_text("WHO=root\n")
    (root / "services/.env").write_text("WHO=services\n")
    files = {"services/a.toml": '[services.web]\nrun = ["echo", "${WHO}"]\n'}
    web = of('include = ["services/a.toml"]\n', files).project.services["web"]
    assert web.process is not None
    assert str(web.process.command) == "echo root"


# ---- options


@pytest.mark.parametrize(
    ("override", "meant"),
    [
        ("services.service.port=80", "services.services.port=80"),
        (" services . service . port = 80 ", " services . services . port = 80 "),
        ('services.services.restart={polcy="no"}', 'services.services.restart={policy="no"}'),
        ('services.services."prot"=80', "services.services.port=80"),
    ],
)
def test_the_key_that_is_misspelt_is_the_one_that_is_mended(of: WriteAndLoad, override: str, meant: str) -> None:
    with pytest.raises(SpecError) as caught:
        of('[services.services]\nrun = "a"\n', {}, (), [override])
    (problem,) = caught.value.problems
    assert shlex.split(problem.help) == ["--set", meant]


def test_any_character_can_be_set(of: WriteAndLoad) -> None:
    env = of('[services.web]\nrun = "a"\n', {}, (), ["services.web.env.X=a\x7f\x1b\\\"'ä\t"]).project.services["web"]
    assert env.process
    assert str(env.process.env["X"]) == "a\x7f\x1b\\\"'ä"


@pytest.mark.parametrize(
    ("override", "command"),
    [
        ("services.web.run=echo hi", "echo hi"),
        ('services.web.run="echo hi"', "echo hi"),
        ('services.web.run=["echo", "hi"]', "echo hi"),
        (" services . 'web' . \"run\" = echo hi", "echo hi"),
        ("services.web.run=a=b # no comment", "a=b # no comment"),
        ('services.web.run=say "hi"', 'say "hi"'),
        ("services.web.run=1\nport = 2", "1\nport = 2"),
        ("services.web.run=C:\\new", "C:\\new"),
    ],
)
def test_a_value_is_toml_where_it_can_be_and_else_a_string(of: WriteAndLoad, override: str, command: str) -> None:
    web = of('[services.web]\nrun = "a"\n', {}, (), [override]).project.services["web"]
    assert web.process is not None
    assert str(web.process.command) == command


def test_later_options_win(of: WriteAndLoad) -> None:
    gateway = of("", {}, (), ["gateway.http=1", "gateway.http=127.0.0.2:2"]).project.gateway
    assert gateway is not None
    assert gateway.listen == Address("127.0.0.2", 2)


@pytest.mark.parametrize("value", ["[" * 5000, "{a=" * 500, "\0", "\x1b[2J", '"""', "1\n2", "x" * 100_000])
def test_strange_values_are_told(of: WriteAndLoad, value: str) -> None:
    assert problems(of, "", {}, (), [f"gateway.http={value}"])[0][0] in ("MM001", "MM005", "MM010")


# ---- a thousand services


@pytest.mark.slow
@pytest.mark.alone
def test_a_thousand_services_in_fifty_files_are_validated_quickly(root: Path) -> None:
    for file in range(50):
        services = (
            f'[services.s{n}]\nrun = "a"\nreplicas = {{ max = 4, rps = 50 }}\nenv = {{ URL = "${{s{n // 2}.url}}" }}\n'
            f'timeout = "2s"\ncalls = ["s{n // 2}"]\nwatch = ["src/**"]\nprofiles = ["all"]\n'
            for n in range(file * 20, file * 20 + 20)
        )
        (root / f"part{file:02}.toml").write_text("".join(services))
    (root / "minimesh.toml").write_text('version = 1\ninclude = ["part*.toml"]\n')
    took, waited = [], []
    for _ in range(3):
        before, began = cpu_of_children(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "minimesh", "validate"], capture_output=True, text=True, timeout=60, check=True
        )
        took.append(cpu_of_children() - before)
        waited.append(time.monotonic() - began)
    assert "1000 services" in done.stdout
    assert min(took) < 1.0, "seconds of the processor, whatever else the machine does"
    assert min(waited) < 1.5, "seconds of somebody who waits"


def cpu_of_children() -> float:
    """Seconds that the processes which have ended took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- what is no file


@pytest.mark.parametrize("name", ["minimesh.local.toml", "pipe.toml"])
def test_a_pipe_is_refused_and_not_waited_for(of: WriteAndLoad, root: Path, name: str) -> None:
    os.mkfifo(root / name)
    include = f'include = ["{name}"]\n' if name == "pipe.toml" else ""
    assert problems(of, f'{include}[services.web]\nrun = "a"\n') == [("MM019", name)]


def test_a_pipe_cannot_be_an_env_file(of: WriteAndLoad, root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert problems(of, '[services.web]\nrun = "a"\nenv_file = "pipe"\n') == [("MM013", "minimesh.toml:4")]
    os.mkfifo(root / "late")
    with pytest.raises(SpecError, match="pipe or a device"):
        read_env_file(root / "late")


def test_a_file_has_a_largest_size(of: WriteAndLoad, root: Path) -> None:
    with (root / "large.toml").open("wb") as large:
        large.truncate(LARGEST + 1)
    assert problems(of, 'include = ["large.toml"]\n[services.web]\nrun = "a"\n') == [("MM019", "large.toml")]


@pytest.mark.slow
@pytest.mark.alone
def test_five_thousand_included_files_are_merged_in_time(of: WriteAndLoad) -> None:
    files = {f"parts/{n}.toml": f'[services.s{n}]\nrun = "a"\n' for n in range(5000)}
    of('include = ["**/*.toml"]\n', files)
    before = time.process_time()
    assert len(load(Path("minimesh.toml"), {}).project.services) == 5000
    if sys.gettrace() is None:  # coverage is several times slower
        assert time.process_time() - before < 2.5  # it took time by the square of the files once


# ---- patterns


def test_a_deep_pattern_follows_no_link_and_enters_no_hidden_folder(of: WriteAndLoad, root: Path) -> None:
    for name in ("a", "b"):
        (root / name).symlink_to(".")  # followed, they would be 2 to the power of 40 folders
    text = '[services.%s]\nrun = "a"\n'
    files = {name: text % at for at, name in (("x", "x.toml"), ("y", "d/e/x.toml"), ("z", ".hidden/x.toml"))}
    assert [*of('include = ["**/x.toml"]\n', files).project.services] == ["y", "x"]


@pytest.mark.parametrize(
    "pattern",
    [
        "*.toml",
        "d/*.toml",
        "**/*.toml",
        "d/**/x.toml",
        "**",
        "d/**",
        "d/**/",
        "*/**/x.toml",
        "**/e/**/x.toml",
        "x**l",
        "./**/x*",
    ],
)
def test_patterns_match_what_glob_matches(root: Path, pattern: str) -> None:
    for name in ("x.toml", "d/x.toml", "d/e/x.toml", "d/e/f/x.toml", ".h/x.toml", "d/.x.toml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for base in (pattern, f"{root}/{pattern}"):
        found = {root / name for name in matching(base, str(root))}
        expected = {root / name for name in glob.glob(base, root_dir=root, recursive=True)}  # noqa: PTH207 - the model
        assert {path for path in found if path.is_file()} == {path for path in expected if path.is_file()}
