"""Ctrl-C ends a command wherever it comes in between."""

import subprocess
import sys

PATIENCE = 20.0
PROGRAM = """\
import select, signal, sys
import minimesh.cli.app
from minimesh.cli import main

class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        sys.stdout.write("not here\\n")

def follow(words):
    Interrupted()
    select.select([], [], [])

minimesh.cli.app.run = follow
sys.exit(main())
"""


def test_one_that_python_could_only_ignore_comes_again() -> None:
    ran = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "\n")
