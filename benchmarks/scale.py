"""Writes a project with many services and routes, to measure that a request costs the same in it.

python benchmarks/scale.py DIR --services 1000 --routes 5000

`web` is a process that only waits, and may call `api`: that is the mesh path to measure. `api` and all others live at
one address (`--address`), where the benchmark's backend answers; with `--programs` some of them are processes that wait
too, each of which may call the one before it and `api`. The gateway's last route, `/*` to `api`, is the gateway path.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "127.0.0.1:9900"
REGEX_EVERY = 500  # few, as each of them is tried in turn; the others are exact and prefix, half and half


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a minimesh.toml with many services and routes.")
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to; made if missing")
    parser.add_argument("--services", type=int, default=1000, help="2 or more (default 1000)")
    parser.add_argument("--routes", type=int, default=5000, help="1 or more (default 5000)")
    parser.add_argument(
        "--programs", type=int, default=1, help="services that are processes, web among them (default 1)"
    )
    parser.add_argument("--address", default=ADDRESS, help=f"of every service but web (default {ADDRESS})")
    parser.add_argument("--http", type=int, help="the gateway's port (default: 7080 or a free one)")
    options = parser.parse_args()
    if options.services < 2 or options.routes < 1:
        parser.error("at least 2 services and 1 route")
    if not 1 <= options.programs < options.services:
        parser.error("1 program, or more, but api is none")
    print(generate(options.folder, options.services, options.routes, options.address, options.http, options.programs))


def generate(
    folder: Path, services: int, routes: int, address: str = ADDRESS, http: int | None = None, programs: int = 1
) -> Path:
    """Write `folder`/minimesh.toml and return its path. An old one is overwritten."""
    names = ["web", "api", *(f"service-{number:04}" for number in range(2, services))]
    file = folder / "minimesh.toml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text("".join((*head(http), *route_tables(names, routes), *service_tables(names, address, programs))))
    return file


def head(http: int | None) -> Iterator[str]:
    yield '# Made by benchmarks/scale.py.\nversion = 1\n\n[mesh]\nname = "scale"\nhop = "memory"\n\n[gateway]\n'
    if http is not None:
        yield f"http = {http}\n"


def route_tables(names: list[str], routes: int) -> Iterator[str]:
    """The services but web in turn; all paths differ."""
    for number in range(routes - 1):
        yield f"\n[[gateway.routes]]\npath = '{path(number)}'\nto = \"{names[1 + number % (len(names) - 1)]}\"\n"
    yield '\n[[gateway.routes]]\npath = "/*"\nto = "api"\n'


def path(number: int) -> str:
    if number % REGEX_EVERY == REGEX_EVERY - 1:
        return f"~^/regex-{number}/[0-9]+$"
    return f"/exact-{number}/item" if number % 2 else f"/prefix-{number}/area/*"


def service_tables(names: list[str], address: str, programs: int) -> Iterator[str]:
    yield '\n[services.web]\nrun = ["sleep", "infinity"]\nport = "none"\ncalls = ["api"]\n'
    waiting = names[2 : programs + 1]
    for before, name in zip(["web", *waiting], waiting, strict=False):
        yield f'\n[services.{name}]\nrun = ["sleep", "infinity"]\ncalls = ["api"{called(before)}]\n'
    for name in (names[1], *names[programs + 1 :]):
        yield f'\n[services.{name}]\naddress = "{address}"\n'


def called(name: str) -> str:
    """`web` has no port."""
    return "" if name == "web" else f', "{name}"'


if __name__ == "__main__":
    main()
