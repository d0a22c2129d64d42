"""The rules of the house that no linter knows."""

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("minimesh/**/*.py"), *ROOT.glob("tui/**/*.py")])
HOT = sorted(ROOT.glob("minimesh/dataplane/**/*.py"))


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_modules_are_small() -> None:
    too_long = {str(path.relative_to(ROOT)): lines_of(path) for path in SOURCES if lines_of(path) > 500}
    assert not too_long
    assert statistics.median(map(lines_of, SOURCES)) <= 150


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "the first line of a module tells its one idea"


def test_the_commands_load_neither_the_screens_nor_the_data_plane() -> None:
    code = "import sys, minimesh.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"textual", "minimesh_tui", "minimesh.dataplane", "uvloop", "uvicorn", "starlette", "httpx", "rich"}
    assert not loaded & heavy


def test_certificates_are_made_and_read_in_one_place() -> None:
    importing = {
        path.relative_to(ROOT / "minimesh").parts[0]
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom | ast.Import)
        and any(name.split(".")[0] == "cryptography" for name in _modules(node))
    }
    assert importing == {"identity", "testing"}


def _modules(node: ast.ImportFrom | ast.Import) -> list[str]:
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]


def test_protobuf_is_for_who_asks_for_it() -> None:
    code = "import sys, minimesh.control.daemon, minimesh.spec.load; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "minimesh.dataplane.listener" in done.stdout
    assert not [name for name in done.stdout.split() if name.startswith("google")]


def test_the_reference_codec_is_for_who_asks_for_it() -> None:
    code = "import sys, minimesh.control.daemon; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "minimesh.dataplane.codecs" in loaded
    assert not loaded & {"h11", "h2", "hpack", "hyperframe", "minimesh.dataplane.reference"}


# What costs a task, a timer or a string on each request is banned from the data plane; where a connection or the
# start needs it, it stands here with its reason.
ALLOWED_AWAITS = {
    "acceptor.py": "adopting an accepted connection",
    "upstream.py": "dialling",
    "connecting.py": "dialling one address",
    "hub.py": "dialling, and waiting for an endpoint's first word",
    "errand.py": "what the mesh itself asks a service",
    "owncall.py": "what the mesh itself asks a service",
    "pools.py": "looking up a host outside before it is dialled",
    "resolver.py": "looking up names",
    "originate.py": "the handshake of TLS with a service elsewhere",
    "plane.py": "draining, and calls of the mesh itself",
}


@pytest.mark.parametrize("path", HOT, ids=lambda path: path.name)
def test_the_path_of_a_request_has_no_coroutine(path: Path) -> None:
    tree = ast.parse(path.read_text())
    coroutines = [node.name for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert not coroutines or path.name in ALLOWED_AWAITS


def test_the_exchange_knows_no_protocol() -> None:
    """HTTP/2 comes without a change of it."""
    tree = ast.parse((ROOT / "minimesh/dataplane/exchange.py").read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in imported if name and ("http1" in name or name.startswith(("asyncio", "socket")))}


def test_the_floor_of_values_needs_the_standard_library_alone() -> None:
    for path in (ROOT / "minimesh/model").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                top = node.module.split(".")[0]
                assert top in sys.stdlib_module_names or node.module.startswith("minimesh.model"), path


@pytest.mark.parametrize("path", sorted((ROOT / "minimesh/cli").glob("*.py")), ids=lambda path: path.name)
def test_a_command_has_no_threads(path: Path) -> None:
    """A Ctrl-C that another thread takes does not wake the main one out of a blocking read."""
    assert "threading" not in {
        name
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_libraries_of_credentials_are_for_who_asks_for_them() -> None:
    code = "import sys, minimesh.control.daemon; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "jwt" not in done.stdout.split()  # bcrypt is loaded by cryptography, wherever it is installed
