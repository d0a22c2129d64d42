"""Measures minimesh on this machine: writes benchmarks/results/DATE.json, of which report.py makes docs/performance.md.

python benchmarks/run.py                     everything, in some ten minutes
python benchmarks/run.py mesh gateway        some parts; the others of the same day's file are kept

Linux, with nginx, wrk, openssl and taskset (Debian: nginx-light wrk openssl util-linux). Everything is on loopback, on
ports of its own, and ends with the run. On a machine that others use only the ratios count.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import machine
from bodies import bodies_part
from calls import gateway_part, mesh_part
from idle import idle_part
from peers import NGINX
from rest import rest_part
from results import Part, Results
from rounds import Figure
from say import say
from scaling import scale_part
from settings import Settings
from stage import BenchmarkError
from start import start_part
from thousand import thousand_part

RESULTS = Path(__file__).parent / "results"
PARTS: Mapping[str, Callable[[Settings], dict[str, Figure]]] = {
    "mesh": mesh_part,
    "gateway": gateway_part,
    "bodies": bodies_part,
    "idle": idle_part,
    "scale": scale_part,
    "thousand": thousand_part,
    "start": start_part,
    "rest": rest_part,
}
BUSY = 0.5  # load average beyond which figures are doubtful


def main() -> int:
    options = arguments().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    missing = [tool for tool in (NGINX, "wrk", "openssl", "taskset") if shutil.which(tool) is None]
    if missing or sys.platform != "linux":
        return fail(f"needs Linux with {', '.join(missing) or 'its /proc'}; Debian: nginx-light wrk openssl util-linux")
    settings = Settings(rounds=options.rounds, seconds=options.seconds, rest=options.rest, requests=options.requests)
    file: Path = options.out or RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    failed = False
    try:
        for name in dict.fromkeys(options.parts or PARTS):
            failed |= not attempt(name, settings, file)
    except KeyboardInterrupt:
        return fail(f"interrupted; the parts that were done stand in {file}")
    say(f"written: {file}")
    return int(failed)


def attempt(name: str, settings: Settings, file: Path) -> bool:
    """Measure a part and save it. One that fails says so, and the others follow."""
    try:
        save(file, name, measured(name, settings))
    except (BenchmarkError, OSError, subprocess.SubprocessError) as error:
        fail("\n".join((f"{name}: {error}", *getattr(error, "__notes__", ()))))
        return False
    return True


def arguments() -> argparse.ArgumentParser:
    default = Settings()
    text = (__doc__ or "").replace("%", "%%")
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", choices=[*PARTS, []], help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=default.rounds, help=f"default {default.rounds}")
    parser.add_argument("--seconds", type=int, default=default.seconds, help=f"of a round; default {default.seconds}")
    parser.add_argument("--rest", type=float, default=default.rest, help=f"seconds; default {default.rest:g}")
    parser.add_argument("--requests", type=int, default=default.requests, help=f"default {default.requests}")
    parser.add_argument("--out", type=Path, help="the results file; default: results/DATE.json here")
    return parser


def measured(name: str, settings: Settings) -> Part:
    load = os.getloadavg()[0]
    say(f"== {name}" + (f" (the machine is busy: load average {load:.1f})" if load > BUSY else ""))
    at, started = datetime.now(UTC), time.monotonic()
    figures = PARTS[name](settings)
    return {
        "at": at.isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started),
        "load": round(load, 2),
        "commit": machine.commit(),
        "figures": figures,
    }


def save(file: Path, name: str, part: Part) -> None:
    """Add a part to the file, which is whole at any time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    results: Results = json.loads(file.read_text()) if file.exists() else {"format": 1, "machine": {}, "parts": {}}
    results["machine"] = machine.describe()
    results["parts"][name] = part
    draft = file.with_suffix(".tmp")
    draft.write_text(json.dumps(results, indent=1) + "\n")
    draft.replace(file)


def fail(text: str) -> int:
    print(f"error: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
