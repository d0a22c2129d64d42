"""How programs are told of the forward proxy that is theirs: the variables that HTTP clients look at. Pure.

Clients differ in which spelling they read (curl takes `http_proxy` in lower case alone), so both are there. What is set
already is kept, whoever set it: a company's proxy has its reason. Node reads them where it is told to.
"""

from collections.abc import Mapping

from minimesh.model.address import Address

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY")
_EXCEPT = "NO_PROXY"
NEVER = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")
"""Hosts that are called without: the addresses at which the mesh itself takes calls are among them."""
_NODE = "NODE_USE_ENV_PROXY"


def proxy_variables(proxy: Address | None, given: Mapping[str, str]) -> dict[str, str]:
    """What is added to an environment. given: the rest of it."""
    if proxy is None:
        return {}
    added: dict[str, str] = {}
    for name in _PROXIES:
        if not _set(name, given):
            added |= dict.fromkeys((name, name.lower()), proxy.url)
    if not added:
        return {}
    never = dict.fromkeys(
        part.strip() for value in (_set(_EXCEPT, given), ",".join(NEVER)) for part in value.split(",") if part.strip()
    )
    added |= dict.fromkeys((_EXCEPT, _EXCEPT.lower()), ",".join(never))
    if _NODE not in given:
        added[_NODE] = "1"
    return added


def kept(proxy: Address | None, whole: Mapping[str, str]) -> tuple[str, ...]:
    """The variables of a whole environment that name another proxy than the caller's own."""
    if proxy is None:
        return ()
    return tuple(name for name in _PROXIES if _set(name, whole) != proxy.url)


def _set(name: str, given: Mapping[str, str]) -> str:
    return given.get(name) or given.get(name.lower()) or ""
