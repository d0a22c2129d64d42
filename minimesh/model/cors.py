"""Which web pages of other origins may call a route: CORS as the Fetch standard has it."""

from dataclasses import dataclass

from minimesh.model.where import NOWHERE, Where

ANY = "*"


@dataclass(frozen=True, slots=True)
class Cors:
    """origins: `"https://a.test"`, `"https://*.a.test"` for any name below, `"http://localhost:*"` for any port, or
    ANY alone. methods in upper case, headers (of requests) and expose (of answers) in lower case; ANY: whatever is
    asked for. max_age: seconds that a browser may remember the answer to a preflight."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ("GET", "HEAD", "POST")
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: float = 5.0
    where: Where = NOWHERE
