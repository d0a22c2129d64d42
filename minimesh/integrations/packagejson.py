"""package.json: its `dev` or `start` script, or those of each package of a workspace."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from minimesh.integrations.draft import Draft, Entry
from minimesh.integrations.listening import PORT, listening, takes_no_calls
from minimesh.integrations.naming import fit, renamed
from minimesh.integrations.reading import mapping, read_json, read_yaml, text, texts
from minimesh.integrations.variables import plain
from minimesh.spec.files import is_folder, is_plain_file

FILES = ("package.json",)

SCRIPTS = ("dev", "start", "start:dev", "develop", "serve")
MOST_PACKAGES = 1000

_LOCKS = {"pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn", "bun.lock": "bun", "bun.lockb": "bun"}
_WORKSPACE = "pnpm-workspace.yaml"


def package_json(file: Path) -> Draft:
    """What the package.json of a project says. Raises MalformedError and OSError."""
    folder = file.parent
    package = read_json(file)
    manager = next((tool for lock, tool in _LOCKS.items() if is_plain_file(folder / lock)), "npm")
    patterns = _workspaces(package, folder)
    if patterns:
        return _of_workspace(file.name, manager, _packages(folder, patterns))
    script = _script(package)
    if script is None:
        return Draft(file.name, ())
    parts = _concurrent(script[1], mapping(package.get("scripts")), manager)
    if not parts:
        return Draft(file.name, (_entry("web", "web", f"{manager} run {script[0]}", script[1], ""),))
    names = fit(parts)
    entries = [_entry(name, names[name], run, shown, "") for name, (run, shown) in parts.items()]
    return Draft(file.name, tuple(entries))


def _of_workspace(name: str, manager: str, packages: Mapping[str, Mapping[str, object]]) -> Draft:
    scripts = {path: script for path, package in packages.items() if (script := _script(package))}
    titles: dict[str, str] = {}
    for path in scripts:
        title = text(packages[path].get("name")).rpartition("/")[2] or Path(path).name
        titles[path if title in titles else title] = path
    names = fit(titles)
    entries = [
        _entry(title, names[title], f"{manager} run {scripts[path][0]}", scripts[path][1], path)
        for title, path in titles.items()
    ]
    return Draft(name, tuple(entries))


def _script(package: Mapping[str, object]) -> tuple[str, str] | None:
    """The name and the text of the script that is for developing."""
    scripts = mapping(package.get("scripts"))
    return next(((name, text(scripts[name])) for name in SCRIPTS if text(scripts.get(name)).strip()), None)


def _entry(title: str, name: str, run: str, script: str, folder: str) -> Entry:
    port = listening(script)
    works = port is None and takes_no_calls(title, script)
    return Entry(
        name,
        run=run,
        cwd=plain(folder),
        port=None if port == PORT else port,
        listens=not works,
        remarks=() if works or port is not None else ("port = 3000 if it does not listen on $PORT",),
        lost=renamed(title, name),
    )


# ---- workspaces


def _workspaces(package: Mapping[str, object], folder: Path) -> list[str]:
    """Globs of folders, as npm, yarn, bun or pnpm have them."""
    if is_plain_file(folder / _WORKSPACE):
        return texts(read_yaml(folder / _WORKSPACE).get("packages"))
    told = package.get("workspaces")
    return texts(mapping(told).get("packages")) if isinstance(told, dict) else texts(told)


def _packages(folder: Path, patterns: list[str]) -> dict[str, Mapping[str, object]]:
    """By folder, the package.json of every package. Raises MalformedError where one cannot be understood."""
    left_out = {path for pattern in patterns if pattern.startswith("!") for path in _matching(folder, pattern[1:])}
    found: dict[str, Mapping[str, object]] = {}
    for pattern in patterns:
        for path in [] if pattern.startswith("!") else _matching(folder, pattern):
            if path not in left_out and path not in found and len(found) < MOST_PACKAGES:
                found[path] = read_json(folder / path / FILES[0])
    return found


def _matching(folder: Path, pattern: str) -> Iterator[str]:
    pattern = pattern.removeprefix("./").strip("/")
    if not pattern or pattern.startswith("..") or "/.." in pattern:
        return
    try:
        for path in sorted(folder.glob(pattern)):
            if "node_modules" not in path.parts and is_folder(path) and is_plain_file(path / FILES[0]):
                yield path.relative_to(folder).as_posix()
    except (ValueError, NotImplementedError):
        return


# ---- several programs in one script

_ELSEWHERE = ("npm", "npx", "yarn", "pnpm", "bun", "node", "cd", "python", "python3", "docker", "go", "make")
_TOGETHER = ("concurrently", "run-p", "npm-run-all")


def _concurrent(script: str, scripts: Mapping[str, object], manager: str) -> dict[str, tuple[str, str]]:
    """By name, how each program of `concurrently` or `run-p` is run, and what it comes to. Empty: not understood."""
    try:
        tool, *words = shlex.split(script)
    except ValueError:
        return {}
    if tool not in _TOGETHER or (tool == "npm-run-all" and not {"--parallel", "-p"} & set(words)):
        return {}
    titles: list[str] = []
    commands: list[str] = []
    while words:
        word = words.pop(0)
        if word in ("-n", "--names") and words:
            titles = re.split(r"[,|]", words.pop(0))
        elif word in ("-c", "--prefix-colors", "-p", "--prefix") and tool == "concurrently" and words:
            words.pop(0)
        elif word.strip() and not word.startswith("-"):
            commands.append(word)
    parts: dict[str, tuple[str, str]] = {}
    for index, (name, run) in enumerate(_each(commands, tool, scripts, manager)):
        title = titles[index].strip() if index < len(titles) else name
        parts[title or name] = (run, _comes_to(run, scripts))
    return parts if len(parts) > 1 else {}


def _each(commands: list[str], tool: str, scripts: Mapping[str, object], manager: str) -> Iterator[tuple[str, str]]:
    """A name and a command line for each program."""
    for command in commands:
        reference = re.fullmatch(r"(?:npm|yarn|pnpm|bun):(\S+)", command)
        wanted = reference[1] if reference else command if tool != "concurrently" else None
        if wanted is None:
            yield _called(command), _findable(command)
            continue
        pattern = re.compile(re.escape(wanted).replace(r"\*", ".*"))
        for name in scripts if "*" in wanted else [wanted]:
            if text(scripts.get(name)).strip() and pattern.fullmatch(name):
                yield name.rpartition(":")[2] or name, f"{manager} run {shlex.quote(name)}"


def _called(command: str) -> str:
    """A name for a command line: its script, else its program or the file that it is given."""
    script = re.search(r"\brun\s+([\w:-]+)", command)
    words = [word for word in command.split() if not word.startswith("-")]
    word = script[1].rpartition(":")[2] if script else words[-1] if words[0] in _ELSEWHERE else words[0]
    return Path(word).stem


def _findable(command: str) -> str:
    """The command, with the programs of the project on its PATH, as a script has them."""
    return command if command.split(maxsplit=1)[0] in _ELSEWHERE else f'PATH="$PWD/node_modules/.bin:$PATH" {command}'


def _comes_to(run: str, scripts: Mapping[str, object]) -> str:
    """The script behind `npm run NAME`, else the command itself."""
    words = run.split()
    return text(scripts.get(words[-1].strip("'"))) or run if len(words) > 1 else run
