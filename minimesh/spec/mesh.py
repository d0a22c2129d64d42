"""`[mesh]`: what the whole project is called and how its calls cross."""

from dataclasses import dataclass

from minimesh.model.egress import Egress, Intercept
from minimesh.model.project import Hop
from minimesh.spec.egress import INTERCEPT, MODE
from minimesh.spec.kinds import Choice, Parsed
from minimesh.spec.names import name, trust_domain
from minimesh.spec.schema import Fields, Key, Table


@dataclass(frozen=True, slots=True)
class Mesh:
    """None: the default, which hangs on the name of the folder."""

    name: str | None = None
    trust_domain: str | None = None
    hop: Hop = Hop.MEMORY
    egress: Egress = Egress.OBSERVE
    intercept: Intercept = Intercept.ADDRESS


NAME = Key("name", Parsed("a name", '"shop"', name), "the project; left out: the name of its folder")
TRUST_DOMAIN = Key(
    "trust_domain",
    Parsed("a trust domain", '"shop.mesh"', trust_domain),
    'what identities begin with; left out: "<name>.mesh"',
)
HOP = Key("hop", Choice(Hop, later=("mtls",)), "how a call crosses between two proxies", '"memory"')


def _mesh(fields: Fields) -> Mesh:
    return Mesh(
        fields.get(NAME, None),
        fields.get(TRUST_DOMAIN, None),
        fields.get(HOP, Hop.MEMORY),
        fields.get(MODE, Egress.OBSERVE),
        fields.get(INTERCEPT, Intercept.ADDRESS),
    )


MESH = Key(
    "mesh",
    Table(
        (NAME, TRUST_DOMAIN, HOP, MODE, INTERCEPT),
        _mesh,
        later=("security", "authorization", "attest"),
        example='{ name = "shop" }',
    ),
    "the project as a whole",
)
