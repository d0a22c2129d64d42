"""Several drafts as one: nobody twice, every name known, no port for two, and a way in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from minimesh.integrations.draft import Draft, Entry
from minimesh.integrations.listening import PORT, listening

FRONTS = ("web", "frontend", "front", "www", "ui", "app", "client", "gateway", "my-gateway")
"""Names of what people's browsers ask, the likeliest first."""


class Note(NamedTuple):
    """What was not carried over. service: "" where it is about the file as a whole."""

    file: str
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class Joined:
    """What minimesh.toml will hold. files: by file, whom it gave. front: whom the gateway's route leads to, or ""."""

    entries: Mapping[str, Entry]
    files: Mapping[str, tuple[str, ...]]
    front: str
    notes: tuple[Note, ...]


def join(drafts: Iterable[Draft]) -> Joined:
    """One minimesh.toml of several drafts; what stands in an earlier one is not taken from a later one."""
    joining = _Joining()
    for draft in drafts:
        joining.take(draft)
    joining.settle()
    return joining.joined()


class _Joining:
    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.file_of: dict[str, str] = {}
        self.files: dict[str, list[str]] = {}
        self.notes: list[Note] = []
        self.front = ""

    def take(self, draft: Draft) -> None:
        self.files[draft.file] = []
        self.notes += [Note(draft.file, "", lost) for lost in draft.lost]
        for entry in draft.entries:
            earlier = self.entries.get(entry.name)
            if earlier is None:
                self._add(draft.file, entry)
            elif earlier.address and entry.run and not entry.task:
                self._run_here(draft.file, earlier, entry)
            else:
                self.notes.append(Note(draft.file, entry.name, f"left out: {self.file_of[entry.name]} has it already"))
        self.notes += [
            Note(draft.file, name, f"left out: {why}")
            for name, why in draft.left_out.items()
            if name not in self.entries
        ]

    def _add(self, file: str, entry: Entry) -> None:
        self.entries[entry.name] = entry
        self.file_of[entry.name] = file
        self.files[file].append(entry.name)

    def _run_here(self, file: str, earlier: Entry, entry: Entry) -> None:
        """A container of the one file that the other file can run."""
        container = self.file_of[entry.name]
        self.files[container].remove(entry.name)
        lost = f"its container in {container} is not used: {file} says how to run it here"
        self._add(file, replace(entry, listens=True, needs={**earlier.needs, **entry.needs}, lost=(*entry.lost, lost)))

    def settle(self) -> None:
        self.front = front(self.entries)  # by what was said, before some of it is dropped
        for name in self.entries:
            self._settle_needs(name)
        self._cut_cycles()
        self._settle_ports()
        for name, entry in self.entries.items():
            if not entry.listens and "http" in entry.ready:
                self._lose(name, "its readiness is asked over HTTP, but it has no port", ready={})
            elif _takes_port(entry) and not entry.ready:
                self.entries[name] = replace(entry, ready={"tcp": True})

    def _lose(self, name: str, lost: str, **changes: object) -> None:
        entry = self.entries[name]
        self.entries[name] = replace(entry, lost=(*entry.lost, lost), **changes)  # type: ignore[arg-type]

    def _settle_needs(self, name: str) -> None:
        """Only those that are there, and only as far as they can be waited for."""
        entry = self.entries[name]
        needs: dict[str, str] = {}
        for needed, condition in entry.needs.items():
            other = self.entries.get(needed)
            if entry.address:
                continue
            if other is None:
                entry = replace(entry, lost=(*entry.lost, f"it depends on `{needed}`, which is not here"))
            elif needed == name:
                entry = replace(entry, lost=(*entry.lost, "it depends on itself"))
            elif other.task:
                needs[needed] = "started" if condition == "started" else "completed"
            else:
                needs[needed] = "started" if condition == "started" and not other.address else "ready"
        calls = tuple(callee for callee in entry.calls if callee not in needs)
        self.entries[name] = replace(entry, needs=needs, calls=calls)

    def _cut_cycles(self) -> None:
        while True:
            graph = {name: list(entry.needs) for name, entry in self.entries.items()}
            try:
                TopologicalSorter(graph).prepare()
            except CycleError as error:
                needed, needer = error.args[1][:2]
                needs = {name: how for name, how in self.entries[needer].needs.items() if name != needed}
                self._lose(needer, f"it depends on `{needed}` in a circle", needs=needs)
            else:
                return

    def _settle_ports(self) -> None:
        owners: dict[int, str] = {}
        for name, entry in self.entries.items():
            if entry.address or not entry.listens or entry.port is None:
                continue
            owner = owners.setdefault(entry.port, name)
            if owner != name:
                lost = f"port {entry.port} is {owner}'s already: let it listen on $PORT, or write another `port`"
                self._lose(name, lost, port=None)

    def joined(self) -> Joined:
        notes = list(self.notes)
        for name, entry in self.entries.items():
            notes += [Note(self.file_of[name], name, lost) for lost in dict.fromkeys(entry.lost)]
        order = {name: at for at, name in enumerate(self.entries)}
        notes.sort(key=lambda note: order.get(note.service, -1 if not note.service else len(order)))
        files = {file: tuple(names) for file, names in self.files.items() if names}
        return Joined(self.entries, files, self.front, tuple(notes))


def _takes_port(entry: Entry) -> bool:
    """Whether it is sure that the program will listen on $PORT: then it can be waited for."""
    return isinstance(entry.run, str) and not entry.task and entry.listens and listening(entry.run) == PORT


def front(entries: Mapping[str, Entry]) -> str:
    """Who looks like the front: by its name, else what nobody depends on. "" where nobody does."""
    able = [name for name, entry in entries.items() if entry.listens and not entry.task]
    needed = {name for entry in entries.values() for name in (*entry.needs, *entry.calls)}
    likely = [name for name in able if entries[name].http and name not in needed and not entries[name].profiles]
    return next((name for name in (*FRONTS, *likely) if name in able), "")
