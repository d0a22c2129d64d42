"""A data plane in a process of its own: `standalone.py CODEC LOOP BACKEND DESCRIPTORS`; prints its gateway's port."""

import asyncio
import resource
import sys

import uvloop

from minimesh.dataplane import DataPlane
from minimesh.dataplane.codecs import codec_named
from minimesh.model.address import Address
from minimesh.model.clock import SystemClock
from minimesh.model.identity import Identity
from minimesh.model.project import Limits
from minimesh.model.route import Route
from minimesh.model.snapshot import Endpoint, Listener, ListenerKind, Snapshot, Upstream
from minimesh.telemetry import Telemetry


async def serve(codec: str, backend: int) -> None:
    clock = SystemClock()
    plane = DataPlane(asyncio.get_running_loop(), clock, Telemetry(clock), codec=codec_named(codec))
    endpoint = Endpoint("api/1", (Address("127.0.0.1", backend),))
    gateway = Listener(
        ListenerKind.GATEWAY,
        Address("127.0.0.1", 0),
        Identity("shop.mesh", "gateway"),
        (Route("api"),),
        Limits(head=5.0, idle=60.0),
    )
    plane.apply(
        Snapshot(
            1,
            listeners={"gateway": gateway},
            upstreams={"api": Upstream(Identity("shop.mesh", "api"), (endpoint,))},
        )
    )
    print(plane.address("gateway")[1], flush=True)
    # Whoever started this closes our input when it is done, also when it dies.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    plane.close()


if __name__ == "__main__":
    codec, loop, backend, descriptors = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(descriptors), int(descriptors)))
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(codec, int(backend)))
