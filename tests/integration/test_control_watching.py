"""Files that change under a running mesh: who is restarted, who is sent a signal, who is left alone; `up --watch`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from minimesh.control.report import Refused, UpOptions
from tests.integration.test_control_reload import Running
from tests.processes import until

SHELL = """
[services.{name}]
run = {run}
port = "none"
watch = {watch}
restart = {{ policy = "on-failure", backoff = "10ms..20ms", max = 1 }}
"""
SLEEP = '["sleep", "1000"]'
HEARS = '''"trap 'echo heard >> heard' HUP; echo > listens; while true; do sleep 0.05; done"'''
HEAD = 'version = 1\n[mesh]\nname = "shop"\n'


def service(name: str, watch: str, run: str = SLEEP) -> str:
    return SHELL.format(name=name, watch=watch, run=run)


class Watched(Running):
    marks = 9_999

    def mark(self) -> None:
        """A change that nothing else watches; the latest is told first where several are told together."""
        self.marks -= 1
        (self.root / f"probe-{self.marks}").touch()

    def is_seen(self) -> bool:
        return any(f"probe-{self.marks} " in message for message in self.told("probe", "restarting"))

    def told(self, name: str, kind: str) -> list[str]:
        """Messages of events, oldest first."""
        events = self.client.stream("/v1/events")
        return [event["message"] for event in events if (event["service"], event["kind"]) == (name, kind)]

    def put(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def barrier(self) -> None:
        """Returns when a change that comes after all others has been dealt with."""
        self.mark()
        assert until(self.is_seen)


Start = Callable[..., Watched]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    meshes: list[Watched] = []

    def make(*services: str, **options: Any) -> Watched:
        text = HEAD + service("probe", '["probe-*"]') + "".join(services)
        meshes.append(Watched(tmp_path, text, UpOptions(tmp_path, **options)))
        meshes[-1].barrier()
        return meshes[-1]

    yield make
    for mesh in meshes:
        mesh.stop()


def test_a_change_restarts_the_service_and_nobody_else(start: Start) -> None:
    mesh = start(service("web", '["web/**/*.py"]'), service("orders", '["orders"]'))
    web, orders = mesh.pids("web", "orders")
    mesh.put("web/app.py", "1")
    assert until(lambda: mesh.pids("web")[0] not in (web, None))
    assert mesh.told("web", "restarting") == ["web/app.py changed, restarting"]
    mesh.put("app.tmp", "2")
    (mesh.root / "app.tmp").replace(mesh.root / "web/app.py")
    assert until(lambda: len(mesh.told("web", "restarting")) == 2)
    assert mesh.pids("orders") == [orders]
    assert not mesh.told("orders", "restarting")


def test_what_git_leaves_out_and_what_is_as_it_was_restarts_nobody(start: Start, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.gen.py\n")
    (tmp_path / "web").mkdir()
    (tmp_path / "web/app.py").write_text("1")
    mesh = start(service("web", '["web"]'))
    pids = mesh.pids("web")
    mesh.put("web/a.gen.py", "1")
    mesh.put("web/app.py~", "1")
    mesh.put("web/app.py", "1")
    mesh.barrier()
    assert mesh.pids("web") == pids


def test_a_signal_keeps_the_process(start: Start) -> None:
    mesh = start(service("web", '{ paths = ["web.conf"], action = "signal:HUP" }', HEARS))
    assert until((mesh.root / "listens").exists)
    pids = mesh.pids("web")
    mesh.put("web.conf", "1")
    assert until((mesh.root / "heard").exists)
    assert mesh.told("web", "signalled") == ["web.conf changed, SIGHUP sent"]
    assert mesh.pids("web") == pids


def test_what_changes_during_a_restart_makes_one_more(start: Start) -> None:
    slow = '''"trap 'while ! test -e enough; do sleep 0.02; done; exit 0' TERM; while true; do sleep 0.02; done"'''
    mesh = start(service("web", '["web"]', slow))
    (mesh.root / "enough").unlink(missing_ok=True)
    mesh.put("web/a.py", "1")
    assert until(lambda: mesh.services()["web"]["state"] == "stopping")
    for number in range(20):
        mesh.put(f"web/b{number}.py", "1")
    assert len(mesh.told("web", "restarting")) == 1
    mesh.put("enough", "")
    assert until(lambda: len(mesh.told("web", "restarting")) == 2)
    mesh.barrier()
    mesh.barrier()
    assert len(mesh.told("web", "restarting")) <= 3  # where the writing of twenty files took longer than 100 ms


def test_what_was_stopped_by_hand_stays_so(start: Start) -> None:
    mesh = start(service("web", '["web"]'))
    mesh.client.post("/v1/services/web/stop")
    assert until(lambda: mesh.services()["web"]["state"] == "stopped")
    mesh.put("web/a.py", "1")
    mesh.barrier()
    assert mesh.services()["web"]["state"] == "stopped"


def test_a_crash_loop_ends_with_the_change_that_mends_it(start: Start, tmp_path: Path) -> None:
    (tmp_path / "web.sh").write_text("exit 1")
    mesh = start(service("web", '["web.sh"]', '"sh web.sh && sleep 1000"'))
    assert until(lambda: mesh.services()["web"]["state"] == "crash-loop")
    mesh.put("web.sh", "exit 0")
    assert until(lambda: mesh.is_up("web"))
    assert mesh.told("web", "restarting") == ["web.sh changed, restarting"]


def test_a_reload_changes_what_is_watched(start: Start) -> None:
    mesh = start(service("web", '["old"]'))
    web = mesh.pids("web")
    mesh.edit('watch = ["old"]', 'watch = ["new", "typo/*.py"]')
    note = 'watch: no file matches "typo/*.py" (what .gitignore names is left out)'
    assert until(lambda: note in mesh.told("web", "note"))
    mesh.put("old/a.py", "1")
    mesh.barrier()
    assert mesh.pids("web") == web
    mesh.put("new/a.py", "1")
    assert until(lambda: mesh.pids("web")[0] not in (*web, None))


def test_another_file_is_applied_and_a_bad_one_said(start: Start) -> None:
    mesh = start(service("web", '["web"]'), watch=True)
    web = mesh.pids("web")
    mesh.write(mesh.text + "[services.third]\nrn = 1\n")
    assert until(lambda: bool(mesh.told("minimesh", "refused")))
    assert until(lambda: any(isinstance(event, Refused) for event in mesh.events))
    (refused,) = [event for event in mesh.events if isinstance(event, Refused)]
    assert "error[MM002]: unknown key `rn` in [services.third]; did you mean `run`?" in "\n".join(refused.mistakes)
    assert "third" not in mesh.services()
    mesh.write(mesh.text.replace("rn = 1", 'run = "sleep 1000"\nport = "none"'))
    assert until(lambda: "third" in mesh.services() and mesh.is_up("third"))
    assert mesh.pids("web") == web


def test_env_files_includes_and_local_files_count(start: Start, tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A=1\n")
    text = f'[services.web]\nrun = {SLEEP}\nport = "none"\nenv_file = "web.env"\n'
    mesh = start(text, watch=True)
    (pid,) = mesh.pids("web")
    mesh.put("web.env", "A=2\n")
    assert until(lambda: mesh.pids("web")[0] not in (pid, None))
    mesh.write(mesh.text.replace("version = 1", 'version = 1\ninclude = ["more/*.toml"]'))
    assert until(lambda: len(mesh.told("minimesh", "changed")) == 2)
    mesh.put("more/third.toml", f'[services.third]\nrun = {SLEEP}\nport = "none"\nprot = 1\n')
    assert until(lambda: bool(mesh.told("minimesh", "refused")))
    mesh.put("more/third.toml", f'[services.third]\nrun = {SLEEP}\nport = "none"\n')
    assert until(lambda: "third" in mesh.services())
    mesh.put("minimesh.local.toml", f'[services.fourth]\nrun = {SLEEP}\nport = "none"\n')
    assert until(lambda: "fourth" in mesh.services())
    (mesh.root / "minimesh.local.toml").unlink()
    assert until(lambda: "fourth" not in mesh.services())


def test_without_watch_the_files_are_left_alone_until_somebody_says_up_with_it(start: Start) -> None:
    mesh = start()
    mesh.write(mesh.text + service("web", '["web"]'))
    mesh.barrier()
    assert "web" not in mesh.services()
    mesh.reload(watch=True)
    assert "web" in mesh.services()
    mesh.write(mesh.text + service("orders", '["orders"]'))
    assert until(lambda: "orders" in mesh.services())


def test_a_change_of_file_and_program_at_once_starts_it_once(start: Start) -> None:
    mesh = start(service("web", '["web"]'), watch=True)
    head, web = mesh.text.split("[services.web]")
    mesh.put("web/a.py", "1")
    mesh.write(f"{head}[services.web]{web.replace('1000', '1001')}")
    assert until(lambda: bool(mesh.told("minimesh", "changed")))
    mesh.barrier()
    told = mesh.told("web", "restarting")
    assert "run changed" in told
    assert len(told) <= 2  # two where the two files were not seen together
