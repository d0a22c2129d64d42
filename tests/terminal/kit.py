"""A terminal of its own for a test: a private tmux server with one pane, and waits on what it shows; and projects."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from uuid import uuid4

PATIENCE = 25.0
LOOK_EVERY = 0.03
BIN = Path(sys.executable).parent
_PROMPT = r"[\#:$?]> "

SERVER = """\
import http.server, os, signal, sys, time

began, delay = time.monotonic(), float(os.environ.get("DELAY", "0"))
if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if time.monotonic() - began >= delay else 503)
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\\n")

    log_message = lambda *told: None


port = int(os.environ.get("REAL_PORT") or os.environ["PORT"])
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("listening", flush=True)
server.serve_forever()
"""
PYTHON = json.dumps(sys.executable)
RUN = f'run = [{PYTHON}, "serve.py"]'


class Screen:
    """A pane in which a shell waits for commands. Its prompt shows the how-manieth comes, and the last exit code:
    `[3:0]> `.

    Closing it ends the tmux server, and so hangs up on everything that runs in it.
    """

    def __init__(self, folder: Path, columns: int = 120, rows: int = 36, **variables: str) -> None:
        self.folder = folder
        self._socket = f"minimesh-{uuid4().hex[:12]}"
        self._environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "TERM": "tmux-256color",
            "TZ": "UTC",
            "PS1": _PROMPT,
            **variables,
        }
        self._tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "-c", str(folder), *self._shell())
        self._tmux("set-option", "-g", "history-limit", "5000")
        self._next = 1
        self.finished()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """As if the window were closed. Twice does nothing."""
        subprocess.run(self._words("kill-server"), capture_output=True, timeout=PATIENCE)

    def run(self, command: str) -> None:
        """Types a command and Enter."""
        self._next += 1
        self._tmux("send-keys", "-l", command)
        self._tmux("send-keys", "Enter")

    def show(self, command: str) -> None:
        """Runs it on an empty screen, where nothing older can be taken for what it shows."""
        self.run("clear")
        self.until(rf"\A\[{self._next}:\d+\]>\Z")
        self.run(f"clear; {command}")

    def press(self, *keys: str) -> None:
        """As tmux calls them: `C-c`, `Enter`, `q`."""
        self._tmux("send-keys", *keys)

    def resize(self, columns: int, rows: int) -> None:
        """Returns when the programs in it can see it."""
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))
        with Path(self._tmux("display-message", "-p", "#{pane_tty}").strip()).open("rb") as tty:
            self.eventually(lambda: os.get_terminal_size(tty.fileno()) == (columns, rows))

    def lines(self, *, scrolled: bool = False, escapes: bool = False) -> list[str]:
        """What stands there, without trailing spaces and empty lines below; `scrolled`: what went out above too."""
        options = [*(["-S", "-"] if scrolled else []), *(["-e"] if escapes else [])]
        shown = self._tmux("capture-pane", "-p", *options)
        return [line.rstrip() for line in shown.rstrip().split("\n")]

    def until(self, pattern: str, *, scrolled: bool = False, patience: float = PATIENCE) -> list[str]:
        """Waits for a regular expression to be found in the lines (`^` and `$` are those of a line); returns them."""
        deadline = time.monotonic() + patience
        while True:
            lines = self.lines(scrolled=scrolled)
            if re.search(pattern, "\n".join(lines), re.MULTILINE):
                return lines
            if time.monotonic() > deadline:
                raise AssertionError(f"{pattern!r} never came:\n" + "\n".join(lines))
            time.sleep(LOOK_EVERY)

    def finished(self, code: int = 0) -> list[str]:
        """Waits for the prompt after the last command, which tells its exit code; all lines since it was cleared."""
        lines = self.until(rf"\[{self._next}:\d+\]>\Z", scrolled=True)
        assert lines[-1].endswith(f":{code}]>"), "\n".join(lines)
        return lines

    def eventually(self, what: Callable[[], object]) -> None:
        """Waits for something else than what is shown."""
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, "it never came"
            time.sleep(LOOK_EVERY)

    def aside(self, command: str) -> None:
        """Runs a command in the same folder, not in the terminal."""
        subprocess.run(["bash", "-c", command], cwd=self.folder, timeout=PATIENCE, check=True)

    def flag(self, name: str) -> bool:
        """What tmux knows of the pane: cursor_flag, alternate_on, mouse_any_flag."""
        return self._tmux("display-message", "-p", f"#{{{name}}}").strip() == "1"

    def _shell(self) -> list[str]:
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", "-i", *variables, "bash", "--norc", "--noprofile", "--noediting", "-i"]

    def _words(self, *words: str) -> list[str]:
        return ["tmux", "-u", "-L", self._socket, "-f", "/dev/null", *words]

    def _tmux(self, *words: str) -> str:
        environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            self._words(*words), capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


Open = Callable[..., Screen]
"""Of a fixture: opens a screen that is closed at the end."""
Project = Callable[..., Path]
"""Of a fixture: makes a folder with these services, and a name of its own."""


def write(folder: Path, services: str) -> None:
    (folder / "serve.py").write_text(SERVER)
    (folder / "minimesh.toml").write_text(
        f'version = 1\n[gateway]\nroutes = [{{ path = "/*", to = "web" }}]\n{services}'
    )


def url_of(lines: list[str]) -> str:
    return next(word for line in lines for word in line.split() if word.startswith("http://localhost:"))


def marked(lines: list[str], mark: str) -> list[str]:
    return [line for line in lines if line.startswith(f"  {mark}  ")]


def processes_of(folder: Path) -> set[int]:
    """Everything that runs in a project's folder, but the shell of the test."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            cwd = (entry / "cwd").readlink()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if cwd == folder and not command.startswith((b"bash\0", b"tmux\0")) and entry.name != str(os.getpid()):
            found.add(int(entry.name))
    return found
