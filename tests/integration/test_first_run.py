"""Nothing is installed yet: three commands and a minute later the first answer has come through the mesh."""

import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
A_MINUTE = 60.0


@pytest.mark.slow
def test_from_the_package_to_the_first_answer_in_a_minute(tmp_path: Path) -> None:
    """As pipx does it: an environment of its own, and what the package index has."""
    tools, folder = tmp_path / "tools", tmp_path / "shop"
    folder.mkdir()
    (folder / "Procfile").write_text(f"web: {sys.executable} -S -m http.server $PORT --bind 127.0.0.1\n")
    (folder / "index.html").write_text("hello from web")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    subprocess.run([tools / "bin/python", "-m", "pip", "install", "--quiet", str(REPOSITORY)], check=True)
    minimesh = tools / "bin/minimesh"
    init = subprocess.run([minimesh, "init"], cwd=folder, capture_output=True, text=True, check=True)
    assert "found Procfile (web)" in init.stderr
    with subprocess.Popen([minimesh, "up"], cwd=folder, stderr=subprocess.PIPE, text=True) as up:
        try:
            assert up.stderr is not None
            url = next(
                found[0] for line in up.stderr if (found := re.search(r"http://\S+", line)) and "ready in" in line
            )
            with urllib.request.urlopen(url) as answer:
                assert answer.read() == b"hello from web"
            took = time.monotonic() - began
        finally:
            up.terminate()
            up.communicate(timeout=20)
    assert took < A_MINUTE, f"{took:.0f} s"
