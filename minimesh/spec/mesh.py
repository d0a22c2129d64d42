"""`[mesh]`: what the whole project is called and how its calls cross."""

from dataclasses import dataclass

from minimesh.model.attest import Attest
from minimesh.model.authorization import Authorization, Security
from minimesh.model.egress import Egress, Intercept
from minimesh.model.project import Hop
from minimesh.spec.attest import ATTEST
from minimesh.spec.egress import INTERCEPT, MODE
from minimesh.spec.kinds import Choice, Parsed
from minimesh.spec.names import name, trust_domain
from minimesh.spec.schema import Fields, Key, Table


@dataclass(frozen=True, slots=True)
class Mesh:
    """None: the default, which hangs on the name of the folder, and with `security` on that."""

    name: str | None = None
    trust_domain: str | None = None
    hop: Hop = Hop.MEMORY
    attest: Attest = Attest.OBSERVE
    egress: Egress = Egress.OBSERVE
    intercept: Intercept = Intercept.ADDRESS
    security: Security = Security.STANDARD
    authorization: Authorization = Authorization.OPEN


NAME = Key("name", Parsed("a name", '"shop"', name), "the project; left out: the name of its folder")
TRUST_DOMAIN = Key(
    "trust_domain",
    Parsed("a trust domain", '"shop.mesh"', trust_domain),
    'what identities begin with; left out: "<name>.mesh"',
)
HOP = Key("hop", Choice(Hop, later=("mtls",)), "how a call crosses between two proxies", '"memory"')


SECURITY = Key(
    "security",
    Choice(Security),
    "strict: authorization closed, egress registered, attest enforce, where nothing else is written of one of them",
    '"standard"',
)
AUTHORIZATION = Key(
    "authorization",
    Choice(Authorization),
    'who may call a service without `allow`: anyone, or nobody; left out: "open", with security = "strict" "closed"',
)


def _mesh(fields: Fields) -> Mesh:
    security = fields.get(SECURITY, Security.STANDARD)
    strict = security is Security.STRICT
    return Mesh(
        fields.get(NAME, None),
        fields.get(TRUST_DOMAIN, None),
        fields.get(HOP, Hop.MEMORY),
        fields.get(ATTEST, Attest.ENFORCE if strict else Attest.OBSERVE),
        fields.get(MODE, Egress.REGISTERED if strict else Egress.OBSERVE),
        fields.get(INTERCEPT, Intercept.ADDRESS),
        security,
        fields.get(AUTHORIZATION, Authorization.CLOSED if strict else Authorization.OPEN),
    )


MESH = Key(
    "mesh",
    Table(
        (NAME, TRUST_DOMAIN, HOP, ATTEST, MODE, INTERCEPT, SECURITY, AUTHORIZATION),
        _mesh,
        example='{ name = "shop" }',
    ),
    "the project as a whole",
)
