"""The difference between two files: each kind of edit, and what of the running mesh it touches."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from minimesh.control.change import Change, difference, summary
from minimesh.control.paths import StateFolder
from minimesh.control.report import UpOptions
from minimesh.control.settle import StartError
from minimesh.control.world import Scaled, World, rescaled, settled
from minimesh.spec.load import Loaded, load

FILE = """
version = 1
[mesh]
name = "shop"
[gateway]
http = 18080
routes = [{ path = "/*", to = "web" }]
[services.web]
run = ["sleep", "1"]
env = { GREETING = "hello" }
depends_on = ["orders"]
ready = "/healthz"
[services.orders]
run = ["sleep", "2"]
timeout = "2s"
[services.worker]
run = ["sleep", "3"]
port = "none"
[services.partner]
address = "127.0.0.1:9"
[tasks.seed]
run = ["true"]
"""
CACHE = """
[services.cache]
run = ["sleep", "4"]
"""
NAMES = ("web", "orders", "worker", "partner", "seed")


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    state = StateFolder(tmp_path)
    state.create()
    return state


def world(folder: StateFolder, text: str, before: World | None = None, **scaled: Scaled) -> World:
    file = folder.root / "minimesh.toml"
    file.write_text(text)
    return settled(UpOptions(folder.root), load(file, os.environ), folder, before=before, scaled=scaled)


EDITS = {
    "nothing": ("", "", {}, {}),
    "lines alone": ("version = 1", "\n\n# a remark\nversion = 1", {}, {}),
    "another command": ('"sleep", "1"', '"sleep", "11"', {"web": "run changed"}, {}),
    "another folder": ('"sleep", "1"]', '"sleep", "1"]\ncwd = ".minimesh"', {"web": "cwd changed"}, {}),
    "another variable": ('"hello"', '"hi"', {"web": "env changed: GREETING"}, {}),
    "a written port": (
        '"sleep", "2"]',
        '"sleep", "2"]\nport = 18081',
        {"orders": "port CHOSEN → 18081, ready changed"},
        {},
    ),
    "no port any more": (
        '"sleep", "1"]',
        '"sleep", "1"]\ncalls = ["partner"]',
        {"web": "env changed: PARTNER_URL, calls changed"},
        {},
    ),
    "another address": (
        "127.0.0.1:9",
        "127.0.0.1:10",
        {"partner": "address changed"},
        {},
    ),
    "a task's command": ('"true"', '"false"', {"seed": "run changed"}, {}),
    "another probe": ('"/healthz"', '"/ready"', {}, {"web": "ready changed"}),
    "restarts": ('"sleep", "3"]', '"sleep", "3"]\nrestart = "always"', {}, {"worker": "restart changed"}),
    "how it stops": ('"sleep", "3"]', '"sleep", "3"]\nstop = "1s"', {}, {"worker": "stop changed"}),
    "a time limit": ('"2s"', '"3s"', {}, {"orders": "timeouts changed"}),
    "a cap": ('"2s"', '"2s"\nbreaker = { requests = 16 }', {}, {"orders": "breaker changed"}),
    "replicas": ('"sleep", "2"]', '"sleep", "2"]\nreplicas = 2', {}, {"orders": "replicas 1 → 2"}),
    "how it depends": (
        'depends_on = ["orders"]',
        'depends_on = { orders = "started" }',
        {},
        {"web": "depends_on changed"},
    ),
    "routes": ('path = "/*"', 'path = "/web/*"', {}, {"gateway": "routes changed"}),
    "the gateway's port": (
        "18080",
        "18082",
        {},
        {"gateway": "listens on 127.0.0.1:18082, not on 127.0.0.1:18080"},
    ),
    "the gateway's limits": ("18080", "18080\nlimits = { fields = 7 }", {}, {"gateway": "limits changed"}),
    "logs": ("[tasks.seed]", "[logs]\nkeep = 1\n[tasks.seed]", {}, {"minimesh": "logs changed"}),
    "an access log": (
        "[tasks.seed]",
        '[telemetry]\naccess_log = "a.log"\n[tasks.seed]',
        {},
        {"minimesh": "access_log changed"},
    ),
    "the name": ('"shop"', '"store"', {}, {"minimesh": "name changed, trust_domain changed"}),
}


@pytest.mark.parametrize(("before", "after", "restarted", "changed"), EDITS.values(), ids=EDITS)
def test_an_edit_touches_only_what_it_is_about(
    folder: StateFolder, before: str, after: str, restarted: dict[str, str], changed: dict[str, str]
) -> None:
    old = world(folder, FILE)
    found = difference(old, world(folder, FILE.replace(before, after), old))
    port = str(old.layout.replicas["orders", 1])
    assert found.restarted == {name: words.replace("CHOSEN", port) for name, words in restarted.items()}
    assert found.changed == changed
    assert (found.added, found.removed) == ((), ())
    assert {name for name, _ in found.renewed} == set(restarted)
    assert found.unchanged == len(NAMES) - len(restarted) - len(set(changed) & set(NAMES))


def test_who_comes_and_who_goes(folder: StateFolder) -> None:
    old = world(folder, FILE)
    new = world(folder, FILE + CACHE, old)
    assert difference(old, new) == Change(added=("cache",), unchanged=5, made=frozenset({("cache", 1)}))
    assert difference(new, old) == Change(removed=("cache",), unchanged=5, ended=frozenset({("cache", 1)}))


def test_a_service_that_becomes_a_task_starts_anew(folder: StateFolder) -> None:
    old = world(folder, FILE)
    new = world(folder, FILE.replace("[services.worker]", "[tasks.worker]").replace('port = "none"', ""), old)
    assert difference(old, new).restarted == {"worker": "a task now"}


def test_everything_keeps_its_port_though_none_is_free(folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    old = world(folder, FILE)
    monkeypatch.setattr("minimesh.control.ports.is_free", lambda port: False)
    assert world(folder, FILE, old).layout == old.layout


def test_a_port_that_the_file_wants_is_taken_from_what_was_free_to_move(folder: StateFolder) -> None:
    old = world(folder, FILE)
    wanted = old.layout.outbound["web", "orders"].port
    new = world(folder, FILE.replace('"sleep", "2"]', f'"sleep", "2"]\nport = {wanted}'), old)
    assert new.layout.replicas["orders", 1] == wanted
    assert new.layout.outbound["web", "orders"].port != wanted
    assert set(difference(old, new).restarted) == {"web", "orders"}


def test_a_number_of_replicas_counts_until_the_file_says_another(folder: StateFolder) -> None:
    old = world(folder, FILE)
    scaled = world(folder, FILE, old, orders=Scaled(3, written=1))
    assert difference(old, scaled).changed == {"orders": "replicas 1 → 3"}
    assert difference(old, scaled).made == {("orders", 2), ("orders", 3)}
    edited = world(folder, FILE.replace('"2s"', '"3s"'), scaled)
    assert edited.project.services["orders"].replicas == 3
    said = world(folder, FILE.replace('"2s"', '"3s"\nreplicas = 2'), scaled)
    assert said.project.services["orders"].replicas == 2
    assert not said.scaled


def test_another_number_is_no_reason_to_read_anything_again(folder: StateFolder) -> None:
    variables = folder.root / "web.env"
    variables.write_text("COLOUR=red")
    text = FILE.replace('"sleep", "1"]', '"sleep", "1"]\nenv_file = "web.env"')
    old = world(folder, text)
    variables.write_text("COLOUR=blue")
    more = difference(old, rescaled(old, {"web": 2}, folder))
    assert (more.restarted, more.changed) == ({}, {"web": "replicas 1 → 2"})
    assert difference(old, world(folder, text, old)).restarted == {"web": "env changed: COLOUR"}


def test_services_of_a_profile_start_where_it_is_on(folder: StateFolder) -> None:
    old = world(folder, FILE + CACHE)
    project = old.project
    cache = replace(project.services["cache"], profiles=("full",))
    loaded = Loaded(replace(project, services={**project.services, "cache": cache}), ())
    assert "cache" not in settled(UpOptions(folder.root), loaded, folder).start
    assert "cache" in settled(UpOptions(folder.root, profiles=("full",)), loaded, folder).start
    assert settled(UpOptions(folder.root, only=("cache",)), loaded, folder).start == {"cache"}


def test_a_name_that_is_not_there_is_refused(folder: StateFolder) -> None:
    file = folder.root / "minimesh.toml"
    file.write_text(FILE)
    with pytest.raises(StartError, match="nobody"):
        settled(UpOptions(folder.root, only=("nobody",)), load(file, os.environ), folder)


def test_the_summary_names_everything() -> None:
    change = Change(("cache",), ("old",), {"orders": "run changed"}, {"web": "ready changed"}, 4)
    assert summary(change) == "orders restarted (run changed), web changed (ready changed), +cache, -old, 4 unchanged"
