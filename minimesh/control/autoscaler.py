"""`replicas = { min, max, rps }`: looks at the load once a second and has the number of replicas follow it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import anyio

from minimesh.control.apply import in_short
from minimesh.control.settle import StartError
from minimesh.model.project import Project
from minimesh.model.service import Service
from minimesh.policy.autoscale import UP_WINDOW, Autoscale
from minimesh.spec.problem import SpecError
from minimesh.telemetry.windows import Windows


class Rescale(Protocol):
    """Sets the number of replicas of some services, and says why."""

    def __call__(self, numbers: Mapping[str, int], why: str = "") -> Awaitable[object]: ...


class Autoscaler:
    """`beat` never waits; `run` does what it found to be due, one service after the other."""

    def __init__(
        self, project: Callable[[], Project], windows: Windows, rescale: Rescale, tell: Callable[[str], None]
    ) -> None:
        """tell: is told why a number cannot be had, once as long as that does not change."""
        self._project = project
        self._windows = windows
        self._rescale = rescale
        self._tell = tell
        self._refused: dict[str, str] = {}
        self._policies: dict[str, Autoscale] = {}
        self._due: dict[str, tuple[int, str]] = {}
        self._news = anyio.Event()

    def beat(self, now: float) -> None:
        """Once a second, after the windows' tick."""
        scaled = {name: each for name, each in self._project().services.items() if each.scale is not None}
        self._policies = {name: self._policy(name, service) for name, service in scaled.items()}
        if not scaled:
            return
        window = self._windows.last(UP_WINDOW, now)
        rates: dict[str, float] = {}
        for key, sums in window.sums.items():
            rates[key.destination] = rates.get(key.destination, 0.0) + (window.per_second(sums) or 0.0)
        for name, service in scaled.items():
            if name not in self._due:
                self._look(service, self._policies[name], now, rates.get(name, 0.0))
        if self._due:
            self._news.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            for name, (number, why) in tuple(self._due.items()):
                try:
                    await self._rescale({name: number}, why)
                except (SpecError, StartError) as error:  # the next beat tries again
                    self._refuse(name, in_short(error))
                else:
                    self._refused.pop(name, None)
                finally:
                    del self._due[name]

    def _refuse(self, name: str, why: str) -> None:
        if self._refused.get(name) != why:
            self._refused[name] = why
            self._tell(f"{name} keeps its replicas, whatever its load: {why}")

    def _policy(self, name: str, service: Service) -> Autoscale:
        assert service.scale is not None, "asked for those alone"
        known = self._policies.get(name)
        return known if known is not None and known.settings == service.scale else Autoscale(service.scale)

    def _look(self, service: Service, policy: Autoscale, now: float, rps: float) -> None:
        current = service.replicas
        wanted = policy.wanted(now, rps, current)
        if wanted != current:
            each = f"{rps:.0f}/s, {rps / current:.0f}/s each, wanted {policy.settings.rps:g}/s"
            self._due[service.name] = (wanted, f"{current} → {wanted} replicas: {each}")
