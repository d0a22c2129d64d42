"""The two programs of examples/polyglot by themselves: Node asks Python."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

POLYGLOT = Path(__file__).parents[2] / "examples" / "polyglot"
LISTENING = "listening on "

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@contextmanager
def running(*argv: str, **environment: str) -> Iterator[str]:
    """The port that it listens on; at the end it has to leave cleanly on SIGTERM."""
    with subprocess.Popen(
        argv,
        cwd=POLYGLOT,
        env=os.environ | {"PORT": "0"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdout is not None
        try:
            assert select.select([process.stdout], [], [], 10)[0], "nothing printed within 10 s"
            line = process.stdout.readline()
            assert line.startswith(LISTENING), line
            yield line.removeprefix(LISTENING).strip()
            process.terminate()
            assert process.wait(10) == 0
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a longer one", {"count": 3, "longest": "longer"}),
        ("", {"count": 0, "longest": ""}),
    ],
)
def test_api_counts_words(text: str, expected: object) -> None:
    with running(sys.executable, "api.py") as port:
        assert httpx.get(f"http://127.0.0.1:{port}/words", params={"text": text}).json() == expected
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404


@needs_node
def test_node_asks_python() -> None:
    with (
        running(sys.executable, "api.py") as api,
        running("node", "web.js", WORDS=f"http://127.0.0.1:{api}/words") as web,
        httpx.Client(base_url=f"http://localhost:{web}") as browser,
    ):
        assert browser.get("/healthz").text == "ok\n"
        for _ in range(2):
            answer = browser.get("/", params={"text": "three small words"})
            assert (answer.status_code, answer.text) == (
                200,
                'Node asked Python: 3 words, the longest is "three".\n',
            )
        assert browser.get("/else").status_code == 404


@needs_node
def test_node_says_when_python_is_not_there() -> None:
    with running(sys.executable, "api.py") as api:
        pass
    with running("node", "web.js", WORDS=f"http://127.0.0.1:{api}/words") as web:
        answer = httpx.get(f"http://localhost:{web}/")
    assert answer.status_code == 502
    assert "Python gave no answer" in answer.text
