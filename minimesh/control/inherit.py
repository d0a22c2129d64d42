"""The next image of a mesh, made of what the one before has left: see minimesh.control.bequeath."""

import os
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from minimesh.control.auth.authentication import Authentication
from minimesh.control.certifier import Certifier, Kept
from minimesh.control.compile import compile_snapshot
from minimesh.control.handover import AddressState, Body, HandoverError, Heir, LayoutState
from minimesh.control.layout import Layout
from minimesh.control.mesh import Mesh, Prepared
from minimesh.control.paths import StateFolder
from minimesh.control.programs import programs
from minimesh.control.report import Reporter, UpOptions
from minimesh.control.views import UpgradedView
from minimesh.control.world import Scaled, World, with_replicas
from minimesh.dataplane import DataPlane, Open, OpenListener, OpenPool
from minimesh.identity.authority import Authority
from minimesh.identity.svid import Svid
from minimesh.model.address import Address, Dialable, UnixAddress
from minimesh.model.identity import Identity
from minimesh.model.snapshot import Endpoint
from minimesh.spec.load import Loaded
from minimesh.supervise.lineage import Guest
from minimesh.supervise.logs import LogLine, Stream
from minimesh.supervise.runfile import Run
from minimesh.telemetry import Telemetry
from minimesh.telemetry.accesslog import milliseconds
from minimesh.telemetry.keep import restore


def options_from(heir: Heir, options: UpOptions) -> UpOptions:
    """Those of the command line, with what was asked for since."""
    try:
        asked = heir.body["options"]
    except (HandoverError, LookupError):
        return options  # and nothing else of it can be used either
    return replace(
        options,
        only=tuple(asked["only"]),
        profiles=tuple(asked["profiles"]),
        further=tuple(map(Path, asked["further"])),
        overrides=tuple(asked["overrides"]),
        watch=asked["watch"],
    )


def kept_from(heir: Heir) -> Kept:
    """What of the authority was in memory alone; an earlier version has left nothing of it."""
    state = heir.body.get("identity")
    if state is None:
        return Kept(())
    return Kept(
        tuple(
            Authority(each["certificate"].encode(), _pems(each["chain"]), each["root"].encode(), each["key"].encode())
            for each in state["keys"]
        ),
        tuple(
            Svid(
                Identity(each["trust_domain"], each["service"]),
                int(each["serial"], 16),
                each["not_before"],
                each["not_after"],
                _pems(each["chain"]),
                each["key"].encode(),
                bytes.fromhex(each["issuer"]),
            )
            for each in state["svids"]
        ),
    )


def _pems(chain: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(each.encode() for each in chain)


async def mesh_from(
    heir: Heir,
    options: UpOptions,
    loaded: Loaded,
    plane: DataPlane,
    telemetry: Telemetry,
    certifier: Certifier,
    auth: Authentication,
    report: Reporter,
) -> Mesh:
    """The mesh, not running yet but served by its plane already: ports and sockets are what they were.

    Whatever it raises means that the mesh has to start anew.
    """
    body, clock = heir.body, certifier.clock
    world = _world(body, options, loaded)
    project, layout = world.project, world.layout
    telemetry.ring.total = body["count"]["records"]
    run = Run(heir.run_id, os.getpid(), body["started"])
    prepared = Prepared(world, StateFolder(options.root), run, body["limit"])
    endpoints = {
        name: [Endpoint(each, tuple(map(address_from, addresses))) for each, addresses in found]
        for name, found in body["endpoints"].items()
    }
    snapshot = compile_snapshot(project, layout, endpoints, body["generation"] + 1)
    mesh = Mesh(prepared, snapshot, plane, telemetry, certifier, auth, clock, report)
    _remember(mesh, body)
    await plane.inherit(_open(body), snapshot)
    upgraded: UpgradedView = {
        "from_version": heir.version,
        "pause_ms": milliseconds(clock.monotonic() - body["frozen_at"]),
        "cut": body["cut"],
        "problem": None,
    }
    mesh.go_on(body, heir.image + 1, upgraded)
    return mesh


def _world(body: Body, options: UpOptions, loaded: Loaded) -> World:
    scaled = {name: Scaled(*numbers) for name, numbers in body["scaled"].items()}
    project = with_replicas(loaded.project, {name: each.number for name, each in scaled.items()})
    layout, inherited = layout_from(body["layout"]), dict(os.environ)
    start = frozenset(body["start"]) & (project.services.keys() | project.tasks.keys())
    return World(
        options, loaded, project, layout, tuple(programs(project, layout, inherited)), start, inherited, scaled
    )


def _remember(mesh: Mesh, body: Body) -> None:
    """Counts, logs and events."""
    restore(body["count"], mesh.telemetry.counters, mesh.windows)
    mesh.journal.restore(body["journal"])
    mesh.attesting.guests.restore({pid: Guest(service, start) for pid, service, start in body.get("guests", ())})
    for log in body["logs"]:
        lines = [
            LogLine(time, log["service"], replica, Stream(stream), text, at)
            for time, replica, stream, text, at in log["lines"]
        ]
        mesh.logs.of(log["service"]).restore(lines)


def _open(body: Body) -> Open:
    return Open(
        tuple(
            OpenListener(
                each["name"],
                each["descriptor"],
                tuple((one["descriptor"], b64decode(one["early"])) for one in each["connections"]),
            )
            for each in body["listeners"]
        ),
        tuple(OpenPool(each["service"], each["endpoint"], tuple(each["connections"])) for each in body["pools"]),
    )


def address_from(state: AddressState) -> Dialable:
    return UnixAddress(*state) if len(state) == 1 else Address(*state)


def layout_from(state: LayoutState) -> Layout:
    return Layout(
        Address(*state["gateway"]) if state["gateway"] else None,
        {(caller, callee): Address(host, port) for caller, callee, host, port in state["outbound"]},
        {(service, replica): port for service, replica, port in state["replicas"]},
        {caller: Address(host, port) for caller, host, port in state.get("proxies", [])},
    )
