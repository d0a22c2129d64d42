"""Part `scale`: what a request costs in a mesh of many services and routes, beside a small one."""

from __future__ import annotations

from pathlib import Path

import mesh
import peers
from calls import contest
from rounds import Figure
from say import say
from settings import Settings
from stage import Stage

ROUTES = Path(__file__).parent / "lua" / "routes.lua"
SMALL, LARGE = "10 services", "1,000 services"
SIZES = {SMALL: (10, 10), LARGE: (1000, 5000)}  # services, routes
CONNECTIONS = 32


def scale_part(settings: Settings) -> dict[str, Figure]:
    with Stage() as stage:
        behind = peers.backend(stage)
        say("starting both")
        contenders = [
            mesh.gateway_path(stage, behind, services=services, routes=routes, name=name)
            for name, (services, routes) in SIZES.items()
        ]
        counts = {name: str(routes) for name, (_, routes) in SIZES.items()}
        last = "the last route, all requests the same"
        every = "every route in turn, no two requests the same"
        return {
            "last": contest(last, contenders, SMALL, settings, CONNECTIONS),
            "every": contest(every, contenders, SMALL, settings, CONNECTIONS, script=ROUTES, arguments=counts),
        }
