"""What to say where the kernel watches no more for this user."""

from contextlib import suppress
from pathlib import Path

PROC = Path("/proc/sys/fs/inotify")
ENOUGH_WATCHES, ENOUGH_INSTANCES = 524_288, 1_024


def watches_used_up(refused: int, wanted: int) -> str:
    name = "fs.inotify.max_user_watches"
    return (
        f"watch: {name} is used up{_now(name)}: {refused} of {wanted} folders are looked at every 2 s instead; "
        f"help: {_raise(name, ENOUGH_WATCHES)}"
    )


def instances_used_up() -> str:
    name = "fs.inotify.max_user_instances"
    return (
        f"watch: {name} is used up{_now(name)}: all folders are looked at every 2 s instead; "
        f"help: {_raise(name, ENOUGH_INSTANCES)}"
    )


def _now(name: str) -> str:
    value = _value(name)
    return f" ({value})" if value else ""


def _raise(name: str, enough: int) -> str:
    return f"sudo sysctl {name}={max(enough, 2 * _value(name))}"


def _value(name: str) -> int:
    """0: nobody knows."""
    with suppress(OSError, ValueError):
        return int((PROC / name.rpartition(".")[2]).read_text())
    return 0
