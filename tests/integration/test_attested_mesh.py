"""A mesh that wants its callers to be who they call as, and a control socket that wants its owner."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on Linux")

SERVER = """\
import http.server, os, subprocess, sys, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        below = os.environ.get("BACK_URL")
        body = b"from back"
        if below and self.path == "/child":
            body = subprocess.check_output([sys.executable, "-c", ASK, below], start_new_session=True)
        elif below:
            body = urllib.request.urlopen(below).read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

ASK = "import sys, urllib.request; sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())"
Handler.log_message = lambda *told: None
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
PYTHON = json.dumps(sys.executable)
TOML = f"""\
version = 1
[mesh]
attest = "enforce"
[gateway]
routes = [{{ path = "/*", to = "front" }}]
[services.front]
run = [{PYTHON}, "server.py"]
depends_on = ["back"]
ready = {{ tcp = true }}
[services.back]
run = [{PYTHON}, "server.py"]
ready = "/"
listen = SHARED
"""
ASK = """\
import os, sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(os.environ["BACK_URL"])
except urllib.error.HTTPError as error:
    answer = error
print(answer.status, answer.read().decode(), flush=True)
"""
MINIMESH = [sys.executable, "-m", "minimesh"]
PATIENCE = 20.0


def run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MINIMESH, *words], cwd=root, capture_output=True, text=True, timeout=PATIENCE)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("shop")
    (root / "server.py").write_text(SERVER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (root / "minimesh.toml").write_text(TOML.replace("SHARED", str(port)))
    ran = run(root, "up", "-d")
    assert ran.returncode == 0, ran.stderr
    yield root
    run(root, "down")


def back_url(root: Path) -> str:
    variables: dict[str, str] = json.loads(run(root, "env", "front", "--format", "json").stdout)
    return variables["BACK_URL"]


def test_a_service_and_what_it_starts_may_call(shop: Path) -> None:
    for path in ("/", "/child"):
        ran = run(shop, "call", "front", path)
        assert ran.stdout == "from back", ran.stderr


def test_a_stranger_may_not_and_reads_why(shop: Path) -> None:
    environ = {**os.environ, "BACK_URL": back_url(shop)}
    ran = subprocess.run([sys.executable, "-c", ASK], env=environ, capture_output=True, text=True, timeout=PATIENCE)
    assert ran.stdout.startswith("403 ")
    assert "which is no process of front; minimesh exec front -- " in ran.stdout
    assert until(lambda: "is no process of front" in run(shop, "events").stdout, PATIENCE)
    checked = json.loads(run(shop, "check", "--json").stdout)
    (found,) = [each for each in checked if each["name"] == "callers"]
    assert found["status"] == "warn"
    assert "calls back as front" in found["text"]


def test_who_was_let_in_may(shop: Path) -> None:
    assert run(shop, "call", "back", "/", "--as", "front").stdout == "from back"
    ran = run(shop, "exec", "front", "--", sys.executable, "-c", ASK)
    assert ran.stdout.startswith("200 from back"), ran.stderr
    shell = run(shop, "exec", "front", "--", "sh", "-c", f'{sys.executable} -c "$0" & wait', ASK)
    assert shell.stdout.startswith("200 from back"), shell.stderr


def shared_url(root: Path) -> str:
    view = json.loads(run(root, "port", "back", "--json").stdout)
    return f"http://{view['shared']}/"


def test_an_address_that_callers_share_tells_them_apart(shop: Path) -> None:
    environ = {**os.environ, "BACK_URL": shared_url(shop)}
    ask = [sys.executable, "-c", ASK]
    stranger = subprocess.run(ask, env=environ, capture_output=True, text=True, timeout=PATIENCE)
    assert stranger.stdout.startswith("403 ")
    assert 'no process of a service with calls = [\\"back\\"]; minimesh call back /' in stranger.stdout
    guest = run(shop, "exec", "front", "-e", f"BACK_URL={shared_url(shop)}", "--", *ask)
    assert guest.stdout.startswith("200 from back"), guest.stderr


def test_an_upgrade_hands_it_over(shop: Path) -> None:
    """The address, and who was let in before."""
    ask = "import time; time.sleep(0.2); exec(" + repr(ASK) + ")"
    url = shared_url(shop)
    words = [
        *MINIMESH,
        "exec",
        "front",
        "-e",
        f"BACK_URL={url}",
        "--",
        "sh",
        "-c",
        f'read go; {sys.executable} -c "$0"',
    ]
    with subprocess.Popen([*words, ask], cwd=shop, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as guest:
        assert until(lambda: Path(f"/proc/{guest.pid}/comm").read_text().strip() == "sh", PATIENCE)
        ran = run(shop, "upgrade")
        assert ran.returncode == 0, ran.stderr
        said, _ = guest.communicate("go\n", timeout=PATIENCE)
    assert said.startswith("200 from back")
    assert shared_url(shop) == url


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_the_control_socket_answers_no_other_user(shop: Path) -> None:
    """Though the file would let them: its mode and that of its folder are opened for the test."""
    path = shop / ".minimesh" / "control.sock"
    code = (
        "import socket, sys; made = socket.socket(socket.AF_UNIX); made.connect(sys.argv[1]); "
        "made.sendall(b'GET /v1/mesh HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'); print(len(made.recv(99)))"
    )
    modes = {each: each.stat().st_mode for each in (path, path.parent, *list(shop.parents)[:3], shop)}
    for each in modes:
        each.chmod(0o777)
    try:
        python = os.path.realpath(sys.executable)
        words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, "-c", code, str(path)]
        stranger = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, cwd="/")
        owner = subprocess.run([python, "-c", code, str(path)], capture_output=True, text=True, timeout=PATIENCE)
    finally:
        for each, mode in modes.items():
            each.chmod(mode & 0o7777)
    assert int(owner.stdout) > 0
    assert stranger.stdout.strip() in ("", "0"), stranger.stdout
    assert "Permission" not in stranger.stderr, "it is the mesh that refuses, not the file"
