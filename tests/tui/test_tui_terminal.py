"""`minimesh ui` as its user has it: a real mesh, a real terminal (tmux), keys, sizes, signals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from minimesh_tui.streams import RETRY

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux"),
    pytest.mark.timeout(120),
]
PATIENCE = 30.0
MINIMESH = [sys.executable, "-m", "minimesh"]

PROGRAM = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *args):
        print("served", self.path, flush=True)

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILE = f'''
version = 1
[mesh]
name = "shop"
[gateway]
routes = [{{ path = "/*", to = "web" }}]
[services.web]
run = ["{sys.executable}", "app.py"]
ready = "/"
[services.broken]
run = ["{sys.executable}", "-c", "import os; os.environ['STRIPE_KEY']"]
restart = {{ max = 1, backoff = "10ms..20ms" }}
'''


def wait_for(what: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    until = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < until, told()
        time.sleep(0.05)


class Project:
    """A folder with a mesh in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "app.py").write_text(PROGRAM)
        (root / "minimesh.toml").write_text(FILE)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*MINIMESH, *words], cwd=self.root, capture_output=True, text=True, timeout=60)

    def pid_of(self, service: str) -> int | None:
        pids = {view["name"]: view["pid"] for view in json.loads(self.run("ps", "--json").stdout)}
        pid = pids[service]
        assert pid is None or isinstance(pid, int)
        return pid

    @property
    def url(self) -> str:
        """Of the gateway."""
        listen = {view["name"]: view["listen"] for view in json.loads(self.run("ps", "--json").stdout)}["gateway"]
        return f"http://{listen}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("shop"))
    assert made.run("up", "-d").returncode == 1, "without the broken one"
    yield made
    made.run("down")


class Terminal:
    """A tmux server with one window in it, in which the UI runs, and then says how it ended."""

    def __init__(self, project: Project, folder: Path, words: str = "", size: tuple[int, int] = (120, 36)) -> None:
        self._name = f"minimesh-{os.getpid()}-{folder.name}"
        self._after = folder / "after"
        self._pid = folder / "pid"
        command = f"cd {project.root}; {words or ''} exec {' '.join(MINIMESH)} ui"
        script = f"sh -c 'echo $$ > {self._pid}; {command}'; (echo code=$?; stty -a) > {self._after}; exec sleep 1000"
        environ = {name: value for name, value in os.environ.items() if name not in ("TMUX", "NO_COLOR")}
        columns, lines = size
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines), script, env=environ)

    def _tmux(self, *words: str, env: dict[str, str] | None = None) -> str:
        done = subprocess.run(["tmux", "-L", self._name, *words], capture_output=True, text=True, env=env, timeout=20)
        return done.stdout

    def text(self, *options: str) -> str:
        return self._tmux("capture-pane", "-p", *options)

    def shows(self, *texts: str) -> None:
        wait_for(lambda: all(text in self.text() for text in texts), self.text)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def kill(self, number: int) -> None:
        os.kill(int(self._pid.read_text()), number)

    def ended_well(self) -> None:
        """The UI has ended with 0, and the terminal is as it was."""
        wait_for(lambda: self._after.exists() and "echok" in self._after.read_text(), self.text)
        after = self._after.read_text()
        assert "code=0" in after
        assert {"icanon", "echo", "isig", "icrnl", "opost"} <= set(after.split())
        state = self._tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}")
        assert state.strip() == "0 0 1"

    def close(self) -> None:
        self._tmux("kill-server")


@pytest.fixture
def open_ui(project: Project, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def make(**options: object) -> Terminal:
        opened.append(Terminal(project, tmp_path, **options))  # type: ignore[arg-type]  # as Terminal has them
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.close()


def test_services_logs_and_every_size(project: Project, open_ui: Callable[..., Terminal]) -> None:
    with urlopen(project.url + "/hello", timeout=10) as answer:
        assert answer.status == 200
    ui = open_ui()
    ui.shows("shop", "● running", "x crash-loop", "LIVE", project.url.replace("127.0.0.1", "localhost"))
    ui.press("j", "j")
    ui.shows("stderr    KeyError: 'STRIPE_KEY'")
    ui.press("4")
    ui.shows("| served /hello", "KeyError")
    ui.resize(60, 15)
    ui.shows("[4 Logs]", "q leave")
    ui.press("2")
    ui.shows("[2 Services]")
    ui.resize(20, 5)
    ui.shows("needs 60x15, is 20x5")
    ui.press("r", "4")
    ui.resize(80, 24)
    ui.shows("[2 Services]", "web", "broken")
    ui.press("q")
    ui.ended_well()
    assert project.pid_of("web") is not None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_signals_leave_a_sane_terminal(open_ui: Callable[..., Terminal], number: signal.Signals) -> None:
    ui = open_ui(size=(80, 24))
    ui.shows("LIVE", "web")
    ui.kill(number)
    ui.ended_well()


def test_ctrl_c_leaves_and_the_mesh_stays(project: Project, open_ui: Callable[..., Terminal]) -> None:
    ui = open_ui(size=(80, 24))
    ui.shows("LIVE", "web")
    ui.press("C-c")
    ui.ended_well()
    assert project.pid_of("web") is not None


def test_a_restart_from_the_screen(project: Project, open_ui: Callable[..., Terminal]) -> None:
    before = project.pid_of("web")
    ui = open_ui(size=(100, 30))
    ui.shows("LIVE", "web")
    ui.press("j", "r")
    ui.shows("restart web?")
    ui.press("Enter")
    wait_for(lambda: project.pid_of("web") not in (before, None), ui.text)
    ui.shows("● running")


def test_no_colour_means_none(open_ui: Callable[..., Terminal]) -> None:
    ui = open_ui(size=(80, 24), words="NO_COLOR=1")
    ui.shows("LIVE", "x crash-loop")
    import re

    colours = {code for codes in re.findall(r"\x1b\[([0-9;]*)m", ui.text("-e")) for code in codes.split(";")}
    assert colours <= {"", "0", "1", "2", "7", "22", "27", "39", "49"}


def test_a_mesh_that_is_stopped_and_started_again(project: Project, open_ui: Callable[..., Terminal]) -> None:
    """Twice: by somebody else, and with U."""
    ui = open_ui(size=(100, 30))
    ui.shows("LIVE", "web")
    assert project.run("down").returncode == 0
    ui.shows("mesh stopped", "data frozen, q leaves, U starts it again", "web")
    project.run("up", "-d")
    assert RETRY <= 1.0, "seconds until it looks again, and how long that takes is the machine's affair"
    wait_for(lambda: "data frozen" not in ui.text(), ui.text)
    ui.shows("● running")
    assert project.run("down").returncode == 0
    ui.shows("data frozen")
    ui.press("U")
    wait_for(lambda: "data frozen" not in ui.text() and "● running" in ui.text(), ui.text)
    assert project.pid_of("web") is not None


@pytest.mark.parametrize("environ", [{}, {"TERM": "dumb"}])
def test_without_a_terminal_it_names_what_does_without(project: Project, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [*MINIMESH, "ui"], cwd=project.root, capture_output=True, text=True, env=os.environ | environ, timeout=30
    )
    assert done.returncode == 2
    assert "help: minimesh stat -w" in done.stderr
    assert done.stdout == ""


def test_without_a_mesh(tmp_path: Path) -> None:
    import pty

    (tmp_path / "minimesh.toml").write_text(FILE)
    parent, child = pty.openpty()
    done = subprocess.Popen(
        [*MINIMESH, "ui"], cwd=tmp_path, stdin=child, stdout=child, stderr=child, env=os.environ | {"TERM": "xterm"}
    )
    assert done.wait(30) == 3
    said = os.read(parent, 4096).decode()
    os.close(parent)
    os.close(child)
    assert "no mesh is running" in said
    assert "\x1b[?1049h" not in said
