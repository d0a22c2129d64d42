"""The services screen: a line for each, and everything about the one under the cursor."""

from textual.app import ComposeResult
from textual.containers import Vertical

from minimesh.cli.text import NONE, age, milliseconds, rate
from minimesh.control.views import EnvView, EventView
from minimesh_tui.look import Health, Look, Role
from minimesh_tui.model import Board, Order, Row, arranged, bars
from minimesh_tui.screens.detail import Facts, facts, good, role_of, success_role, title
from minimesh_tui.widgets.bars import Heading, Part
from minimesh_tui.widgets.table import Cell, Column, Table

MOST_OF_IT = 0.7
"""Of the height that the table may take beside the details."""
FRAME = 3
"""Lines around its rows: both edges and the titles of the columns."""


class ServicesView(Vertical):
    """Draws what the board says; knows nothing of where that comes from."""

    def __init__(self, look: Look, board: Board) -> None:
        super().__init__(id="services")
        self.look = look
        self.board = board
        self.order = Order.FILE
        self.words = ""
        self.filtering = True
        self._height: int | None = None
        self.env: dict[str, EnvView] = {}
        self.events: list[EventView] = []
        columns = (
            Column("SERVICE", most=28, least=9),
            Column("STATE", most=14, least=12),
            Column("UP", right=True, drop=3, least=3),
            Column("RST", right=True, drop=2),
            Column("READY", right=True),
            Column("RPS", right=True, least=6),
            Column("OK%", right=True, least=5),
            Column("P50", right=True, drop=6, least=6),
            Column("P95", right=True, drop=5, least=6),
            Column("P99", right=True, least=6),
            Column("RPS 60s", drop=4, most=60, least=10, paint=self._bars),
        )
        self.table = Table(look, columns, id="table")
        self.detail = Facts(look, id="detail")
        self.table_part = Vertical(id="table-part")
        self.head = Heading(look, id="table-head")
        self.detail_head = Heading(look, id="detail-head")

    def compose(self) -> ComposeResult:
        self.table.add_class("box")
        self.detail.add_class("box")
        with self.table_part:
            yield self.head
            yield self.table
        with Vertical(id="detail-part"):
            yield self.detail_head
            yield self.detail

    @property
    def selected(self) -> Row | None:
        return self.board.row(self.table.selected)

    @property
    def opened(self) -> bool:
        return self.has_class("-opened")

    def freeze(self, frozen: bool) -> None:
        self.table.freeze(frozen)
        self.detail.freeze(frozen)

    def show(self) -> None:
        """What has changed on the board."""
        rows = arranged(self.board.rows, self.order, self.words if self.filtering else "")
        every = len(self.board.rows)
        if self.board.mesh is None:
            self.table.say_when_empty("waiting for the mesh" + self.look.glyphs.ellipsis)
        elif not every:
            self.table.say_when_empty("no service yet: write one to minimesh.toml, then `minimesh up`")
        else:
            self.table.say_when_empty(f"filter hides all {every} services: F shows them")
        self.table.show({row.name: self._cells(row) for row in rows})
        left: list[Part] = [("Services", Role.STRONG), (f" {len(rows)}/{every}", Role.TEXT)]
        if self.order is not Order.FILE:
            left.append((f"   {self.order}", Role.KEY))
        if self.words:
            left.append((f"   filter{'' if self.filtering else ' off'}: {self.words}", Role.KEY))
        self.head.show(left, [] if self._has_traffic() else self._hint())
        self._share()
        self.show_detail()

    def _share(self) -> None:
        """Beside the details the table takes what it needs, and at most its part."""
        wide = self.screen.has_class("-wide")
        needed = max(1, self.table.count) + FRAME
        height = min(needed, int(self.size.height * MOST_OF_IT)) if wide else None
        if height != self._height:
            self._height = height
            self.table_part.styles.height = height

    def show_detail(self) -> None:
        row = self.selected
        if row is None:
            self.detail_head.show([("no service selected", Role.DIM)])
            self.detail.show([])
            return
        self.detail_head.show(title(row, self.look), [("Esc back", Role.KEY)] if self.opened else [])
        self.detail.show(facts(row, self.board, self.env.get(row.name), self.events, self.detail.room))

    def move(self, step: int) -> None:
        if self.opened:
            self.detail.scroll_to(y=self.detail.scroll_offset.y + step, animate=False)
        else:
            self.table.move_to((self.table.cursor or 0) + step)
            self.show_detail()

    def page(self) -> int:
        return (self.detail if self.opened else self.table).page()

    def go(self, end: bool) -> None:
        self.move(1_000_000 if end else -1_000_000)

    def copied(self) -> str | None:
        row = self.selected
        if row is None:
            return None
        words = [row.name, row.state, row.service["listen"] or "", row.service["reason"] or ""]
        return "  ".join(filter(None, words))

    def _cells(self, row: Row) -> tuple[Cell, ...]:
        service, stat = row.service, row.stat
        role = role_of(row.health)
        seen = stat is not None and stat["requests"] > 0
        text = Role.TEXT if seen else Role.DIM
        calm = Role.STRONG if row.health is not Health.STOPPED else Role.STOPPED
        ready = f"{service['ready']}/{service['replicas']}"
        success = stat["success"] if stat else None
        return (
            (row.name, calm),
            (f"{self.look.glyphs.health[row.health]} {row.state}", role),
            (age(service["up_ms"]), Role.TEXT),
            (service["restarts"], Role.DEGRADED if service["restarts"] else Role.DIM),
            (ready, Role.TEXT if service["ready"] == service["replicas"] else role),
            (rate(stat["rps"]) if stat and seen else NONE, text),
            (good(success) if seen else NONE, success_role(success) if seen else Role.DIM),
            (milliseconds(stat["p50_ms"]) if stat and seen else NONE, text),
            (milliseconds(stat["p95_ms"]) if stat and seen else NONE, text),
            (milliseconds(stat["p99_ms"]) if stat and seen else NONE, text),
            (row.history if any(row.history) else (), Role.SPARK),
        )

    def _bars(self, history: object, room: int) -> str:
        return bars(history, room, self.look.glyphs.bars) if isinstance(history, tuple) else ""

    def _has_traffic(self) -> bool:
        return any(row.stat and row.stat["requests"] for row in self.board.rows) or not self.board.rows

    def _hint(self) -> list[Part]:
        gateway = self.board.mesh["gateway"] if self.board.mesh else None
        if gateway is None:
            return []
        why = "no traffic yet: " if self.head.size.width >= 70 else ""
        return [(f"{why}try ", Role.DIM), (f"curl {gateway['url']}/", Role.KEY)]
