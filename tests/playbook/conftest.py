"""Each play is given with callers and endpoints of both kinds: the exchange must not notice."""

import pytest

from minimesh.testing import Play, Playbook

KINDS = [(False, False), (False, True), (True, False), (True, True)]
NAMES = {False: "single", True: "multiplexed"}


@pytest.fixture(params=KINDS, ids=lambda kind: f"{NAMES[kind[0]]}-{NAMES[kind[1]]}")
def play(request: pytest.FixtureRequest) -> Play:
    """A Playbook whose caller and endpoints are of the kinds that the test is run for."""
    caller, endpoints = request.param

    def make(**options: object) -> Playbook:
        return Playbook(multiplexed_caller=caller, multiplexed_endpoints=endpoints, **options)  # type: ignore[arg-type]

    return make
