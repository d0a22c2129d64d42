"""`make demo`: the shop, run through the mesh.

In a terminal: starts it, says what to try, ends on Ctrl-C. With CI=true: runs it some seconds under traffic, checks
what came of it, and exits 0 only if every check held.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SHOP = Path(__file__).parent / "shop"
MINIMESH = [sys.executable, "-m", "minimesh"]
STARTED_WITHIN = 30.0
STOPPED_WITHIN = 20.0

TRY = """
The shop runs through the mesh. In another terminal, in {folder}:

  curl {url}/api/products           a call through the gateway
  {minimesh} ps                     what runs
  {minimesh} edges                  who calls whom, how often, how fast
  {minimesh} tap                    each request as it ends
  {minimesh} exec web -- sh -c 'curl $ORDERS_URL/orders'      be a service of the mesh
  python3 load.py {url}             some traffic

Open {url}/ in a browser. Ctrl-C here ends everything.
"""


def main() -> int:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    mesh = subprocess.Popen([*MINIMESH, "up"], cwd=SHOP, env=environment)
    try:
        url = gateway_of(mesh)
        if os.environ.get("CI") == "true":
            return check(url)
        print(TRY.format(url=url, folder=SHOP, minimesh=Path(sys.executable).parent / "minimesh"), flush=True)
        return mesh.wait()
    except KeyboardInterrupt:
        # The terminal has sent the mesh a Ctrl-C as well; it is on its way down.
        return mesh.wait()
    finally:
        stop(mesh)


def gateway_of(mesh: subprocess.Popen[bytes]) -> str:
    """The gateway's URL, once every service is ready."""
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until:
        if mesh.poll() is not None:
            sys.exit(f"the mesh ended with exit code {mesh.returncode}")
        state = ask("ps")
        if isinstance(state, list) and state and all(row["state"] in UP for row in state):
            (gateway,) = [row for row in state if row["kind"] == "gateway"]
            return f"http://localhost:{str(gateway['listen']).rpartition(':')[2]}"
        time.sleep(0.1)
    sys.exit(f"the shop was not ready within {STARTED_WITHIN:g} s")


UP = ("running", "ready", "completed")


def ask(*command: str) -> object:
    """What a command says with -o json; None while there is no answer."""
    done = subprocess.run([*MINIMESH, *command, "-o", "json"], cwd=SHOP, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def check(url: str) -> int:
    load = subprocess.run([sys.executable, "load.py", "--seconds", "5", "--rate", "60", url], cwd=SHOP, check=False)
    edges = ask("edges")
    assert isinstance(edges, list)
    seen = {(edge["source"], edge["destination"]): edge for edge in edges}
    checks = {
        "the load had no failure": load.returncode == 0,
        "calls between services were seen": {("gateway", "web"), ("web", "catalog"), ("orders", "payments")}
        <= set(seen),
        "every edge has its caller's identity": all("/svc/" in str(edge["client_id"]) for edge in edges),
        "nothing failed inside": all(edge["success"] == 1.0 for edge in edges if edge["requests"]),
    }
    for what, held in checks.items():
        print(f"  {'ok  ' if held else 'FAIL'}  {what}", flush=True)
    return 0 if all(checks.values()) else 1


def stop(mesh: subprocess.Popen[bytes]) -> None:
    if mesh.poll() is None:
        mesh.send_signal(signal.SIGINT)
    try:
        mesh.wait(STOPPED_WITHIN)
    except subprocess.TimeoutExpired:
        mesh.kill()
        mesh.wait()
        sys.exit("the mesh did not stop")


if __name__ == "__main__":
    sys.exit(main())
