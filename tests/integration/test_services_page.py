"""The commands of docs/services.md, as they stand there."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0


@pytest.mark.skipif(sys.platform != "linux", reason="sockets have owners on Linux")
def test_the_tour_of_the_services_page(tmp_path: Path) -> None:
    _, _, rest = (ROOT / "docs/services.md").read_text().partition("<!-- tour -->\n```sh\n")
    tour, _, _ = rest.partition("```")
    command = f'minimesh() {{ "{sys.executable}" -m minimesh "$@"; }}\nset -eu -o pipefail\n{tour}'
    try:
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        rows = {line.split()[0]: line for line in done.stdout.splitlines() if "127.0.0.1:" in line}
        assert "running" in rows["web"]
        assert "not on $PORT" in rows["lost"]
        assert "crash-loop" in rows["broken"]
        assert "exit 1: KeyError: STRIPE_KEY" in rows["broken"]
        assert "not started again" in said
        assert "did not stop cleanly: took over its lock, stopped 4 leftover processes" in said
    finally:
        down = [sys.executable, "-m", "minimesh", "down", "-t", "2"]
        subprocess.run(down, cwd=tmp_path, capture_output=True, check=False, timeout=PATIENCE)
