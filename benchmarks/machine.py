"""What a figure was measured on; without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from peers import NGINX
from stage import LOAD_CPU, MEASURED_CPU

ROOT = Path(__file__).parents[1]


def describe() -> dict[str, str]:
    """What and which version, as text."""
    return {
        "processor": processor(),
        "cpus": f"{os.cpu_count()}; measured: CPU {MEASURED_CPU}, load and services behind: CPU {LOAD_CPU}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()} ({build()})",
        "minimesh": first_line([sys.executable, "-m", "minimesh", "--version"]),
        "nginx": first_line([NGINX, "-v"]).rpartition(" ")[2],
        "openssl": first_line(["openssl", "version"]),
        "wrk": first_line(["wrk", "-v"]).partition(" Copyright")[0],
    }


def commit() -> str:
    """Of the source, with a + if something is not committed; "" outside of a repository."""
    found = first_line(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    changed = first_line(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no", "--", "minimesh"])
    return f"{found}+" if found and changed else found


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def build() -> str:
    """How the interpreter was made matters: some 5 % between Debian's and one built from source."""
    source = "the system's" if sys.base_prefix == "/usr" else "built from source"
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"{source}, {'with' if optimized else 'without'} profile-guided optimization"


def first_line(argv: list[str]) -> str:
    """What a command says first, on either output; "" if it cannot be run or fails."""
    try:
        done = subprocess.run(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False
        )
    except OSError:
        return ""
    # wrk -v exits with 1.
    return done.stdout.partition("\n")[0].strip() if done.returncode in (0, 1) else ""
