"""What to say where the kernel watches no more for this user."""

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc/sys/fs/inotify")
ENOUGH_WATCHES, ENOUGH_INSTANCES = 524_288, 1_024


def watches_used_up(refused: int, wanted: int) -> tuple[str, str]:
    """What happened, and a command that helps."""
    return _used_up("fs.inotify.max_user_watches", f"{refused} of {wanted}", ENOUGH_WATCHES)


def instances_used_up() -> tuple[str, str]:
    return _used_up("fs.inotify.max_user_instances", "all", ENOUGH_INSTANCES)


def _used_up(name: str, folders: str, enough: int) -> tuple[str, str]:
    value = _value(name)
    now = f" ({value})" if value else ""
    return f"{name}{now} is used up: {folders} watched folders are looked at every 2 s instead", _raise(name, enough)


def _raise(name: str, enough: int) -> str:
    return f"sudo sysctl {name}={max(enough, 2 * _value(name))}"


def _value(name: str) -> int:
    """0: nobody knows."""
    with suppress(OSError, ValueError):
        return int((PROC / name.rpartition(".")[2]).read_text())
    return 0
