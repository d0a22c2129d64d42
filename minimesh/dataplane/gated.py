"""An exchange whose route has gates: it goes on when all have let it pass, and no sooner."""

from minimesh.dataplane.exchange import Exchange
from minimesh.dataplane.gates import Asked, Refusal, Reply
from minimesh.dataplane.heads import ResponseHead
from minimesh.dataplane.plan import BoundRoute, Plan
from minimesh.dataplane.streams import ServerStream
from minimesh.model.reason import Reason


class GatedExchange(Exchange):
    """`_asked`: where it stands with them; None before, and when it is over."""

    __slots__ = ("_asked",)

    _asked: Asked | None

    @property
    def in_line(self) -> bool:
        """A caller who leaves now was served nothing, whoever it was that it waited for."""
        asked = self._asked
        return (asked is not None and asked.waiting) or super().in_line

    def start(self, data: bytes, end: bool) -> None:
        self._asked = None
        super().start(data, end)

    def _ask(self, route: BoundRoute, server: ServerStream) -> None:
        self._asked = Asked(self, route.gates, self._head, server, self._started)
        self._asked.begin()

    def gates_passed(self) -> None:
        plan, asked = self._plan, self._asked
        assert plan.route is not None
        assert plan.outgoing is not None
        assert asked is not None
        outgoing = asked.request(plan.outgoing)
        if outgoing is not plan.outgoing:
            self._plan = Plan(plan.router, plan.route, outgoing)
        admission = plan.route.admission
        admission.count += 1
        if admission.count > admission.most:
            self._wait(admission)
        else:
            self._go_on()

    def gates_closed(self, verdict: Refusal | Reply) -> None:
        self._stay()
        if isinstance(verdict, Reply):
            self._reply(verdict)
        else:
            self._refuse(verdict.reason, verdict.detail, verdict.where, verdict.fields, verdict.help)

    def _stay(self) -> None:
        """It ends at the gates. Whatever ends gives a place with its service back, so it takes one first."""
        route = self._plan.route
        assert route is not None
        route.admission.count += 1

    def refuse(self, plan: Plan) -> None:
        self._asked = None
        super().refuse(plan)

    def response_head(self, head: ResponseHead, data: bytes, end: bool) -> None:
        super().response_head(head if self._asked is None else self._asked.answer(head), data, end)

    def _answer(self, reason: Reason, detail: str, head: ResponseHead, body: bytes) -> None:
        super()._answer(reason, detail, head if self._asked is None else self._asked.answer(head), body)

    def _let_go(self) -> None:
        """Of the gate too that is still finding out."""
        if self._asked is not None and self._asked.leave():
            self._stay()
        super()._let_go()

    def _finish(self, now: float, cut: str, detail: str) -> None:
        note = "" if self._asked is None else self._asked.note
        self._asked = None
        super()._finish(now, cut, detail or note)
