"""A minimesh.toml to be, as one file of another tool tells it: values, before anything is joined or written."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | int | tuple[str, ...]
"""A value as it will stand in minimesh.toml."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A service, or a task, to be. Texts are as minimesh.toml has them: a literal "${" is written `$${`.

    run, or address where something else starts it. container: its name in compose, where that has to start it.
    needs: by name, how far it is waited for; "": as suits. listens False: it takes no calls; port None: what $PORT
    says. http False: what it speaks is something else; protocol: as minimesh.toml has it. remarks: comments for the
    file. lost: what could not be carried over; told to the person too.
    """

    name: str
    run: str | tuple[str, ...] = ""
    address: str = ""
    container: str = ""
    task: bool = False
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    env_files: tuple[str, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    port: int | None = None
    listens: bool = True
    http: bool = True
    protocol: str = ""
    ready: Mapping[str, Value] = field(default_factory=dict)
    restart: Mapping[str, Value] = field(default_factory=dict)
    stop: Mapping[str, Value] = field(default_factory=dict)
    replicas: int = 1
    profiles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What one file says. left_out: by name, why what is in the file is not among the entries.

    lost: what the whole file has and minimesh.toml cannot have.
    """

    file: str
    entries: tuple[Entry, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    lost: tuple[str, ...] = ()
