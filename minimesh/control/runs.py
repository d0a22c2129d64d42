"""A task run now, as one live view: what it writes, then how it ended."""

from collections.abc import AsyncIterator, Sequence

from minimesh.control import startstop
from minimesh.control.feed import Feed
from minimesh.control.live import log_view, undone
from minimesh.control.mesh import Mesh
from minimesh.control.views import DroppedView, EndView, EventView, LogView
from minimesh.supervise.logs import LogLine
from minimesh.supervise.status import InstanceStatus, State

ENDED = frozenset({State.COMPLETED.value, State.FAILED.value, State.STOPPED.value})
PER_SECOND = 10_000
"""Lines. Somebody asked for just this output, so more of it passes than of all logs together."""


async def run_task(mesh: Mesh, name: str) -> AsyncIterator[LogView | EndView | DroppedView]:
    """Starts the task, again where it has run already; the last item says how it ended."""
    feed: Feed[LogLine] = Feed(mesh.clock, PER_SECOND)
    ended: list[InstanceStatus] = []

    def on_lines(lines: Sequence[LogLine]) -> None:
        feed.put(line for line in lines if line.service == name)

    def on_event(event: EventView) -> None:
        if event["service"] == name and event["kind"] in ENDED:
            ended.extend(mesh.statuses().get(name, ()))
            feed.close()

    with undone(mesh.logs.follow(on_lines)), undone(mesh.journal.follow(on_event)), undone(mesh.at_end(feed.close)):
        await startstop.run(mesh, name)
        if name not in mesh.statuses():
            feed.close()
        while (taken := await feed.take()) is not None:
            lines, dropped = taken
            for line in lines:
                yield log_view(line)
            if dropped:
                yield {"dropped": dropped}
    if not ended:
        ended = mesh.statuses().get(name, [])
    if not ended:  # a reload has removed it
        yield {"ended": State.STOPPED.value, "exit_code": None, "reason": "it is not in minimesh.toml any more"}
        return
    status = ended[0]
    yield {"ended": status.state.value, "exit_code": status.exit_code, "reason": status.reason or None}
