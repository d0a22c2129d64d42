"""The exchange joins streams of any protocol: so it must know none, nor where bytes come from."""

import ast
from pathlib import Path

import minimesh

PACKAGE = Path(minimesh.__file__).parent
FOREIGN = (
    "asyncio",
    "socket",
    "uvloop",
    "h11",
    "h2",
    "minimesh.dataplane.http1",
    "minimesh.dataplane.http2",
    "minimesh.dataplane.reference",
)


def imports_of(module: str) -> set[str]:
    """The modules that a module of ours names in its imports."""
    path = PACKAGE.parent / (module.replace(".", "/") + ".py")
    if not path.exists():
        path = PACKAGE.parent / module.replace(".", "/") / "__init__.py"
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def is_module(name: str) -> bool:
    path = PACKAGE.parent / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def reach_of(start: str) -> set[str]:
    """Everything that it imports, directly or through others of ours."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports_of(waiting.pop()) - reached:
            reached.add(name)
            if name.startswith("minimesh.") and is_module(name):
                waiting.append(name)
    return reached


def test_the_exchange_reaches_no_protocol_and_no_loop() -> None:
    reached = reach_of("minimesh.dataplane.exchange")
    assert "minimesh.dataplane.streams" in reached
    assert {name for name in reached if name.startswith(FOREIGN)} == set()


def test_the_listener_does() -> None:
    """So that the test above can fail."""
    reached = reach_of("minimesh.dataplane.listener")
    assert {"asyncio", "socket"} <= reached
