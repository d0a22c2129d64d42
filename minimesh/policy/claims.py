"""Whether what a token claims is what a provider wants of it, now (RFC 7519, section 4.1)."""

from datetime import UTC, datetime

from minimesh.model.auth import DEV_ISSUER, SUBJECT, BadCredentialError, Flaw, Jwt
from minimesh.policy.token import shown

Claims = dict[str, object]
_YEAR_10000 = 253_402_300_800


def check_claims(claims: Claims, wanted: Jwt, now: float) -> float:
    """Until when it is good, wall-clock seconds. Raises BadCredentialError. now: likewise."""
    check_issuer(claims, wanted)
    _check_audience(claims, wanted)
    if not isinstance(claims.get(SUBJECT, ""), str):
        raise BadCredentialError(Flaw.CLAIM, "the token's `sub` is not a string")
    expires = _moment(claims, "exp")
    if expires is None:
        raise BadCredentialError(Flaw.CLAIM, "the token has no `exp`: it would be good for ever")
    if expires + wanted.leeway <= now:
        raise BadCredentialError(Flaw.EXPIRED, f"the token expired at {told(expires)}")
    for name in ("nbf", "iat"):
        begins = _moment(claims, name)
        if begins is not None and begins - wanted.leeway > now:
            raise BadCredentialError(Flaw.NOT_YET, f"the token is not good before {told(begins)} (`{name}`)")
    return expires + wanted.leeway


def check_issuer(claims: Claims, wanted: Jwt) -> None:
    """Raises BadCredentialError where it is somebody else's token."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise BadCredentialError(Flaw.ISSUER, "the token does not say who issued it (`iss`)")
    if issuer not in wanted.issuers:
        meant = " or ".join(map(shown, wanted.issuers))
        hint = "; `dev = true` takes those of `minimesh token`" if issuer == DEV_ISSUER else ""
        raise BadCredentialError(Flaw.ISSUER, f"the token was issued by {shown(issuer)}, not by {meant}{hint}")


def _check_audience(claims: Claims, wanted: Jwt) -> None:
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if named is None and not wanted.audience:
        return
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        why = "does not say for whom it is (`aud`)" if audience is None else "has an `aud` that is no string or list of"
        raise BadCredentialError(Flaw.AUDIENCE, f"the token {why}{'' if audience is None else ' them'}")
    if not wanted.audience:
        # RFC 7519, section 4.1.3: whoever does not find itself among them must refuse.
        raise BadCredentialError(Flaw.AUDIENCE, f"the token is for {_few(named)}, and the provider has no `audience`")
    if not set(named) & set(wanted.audience):
        raise BadCredentialError(Flaw.AUDIENCE, f"the token is for {_few(named)}, not for {_few([*wanted.audience])}")


def _moment(claims: Claims, name: str) -> float | None:
    """A NumericDate, in wall-clock seconds."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _YEAR_10000:
        raise BadCredentialError(Flaw.CLAIM, f"the token's `{name}` is not a time in seconds since 1970")
    return float(value)


def told(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _few(names: list[str]) -> str:
    return ", ".join(map(shown, names[:4])) + (" …" if len(names) > 4 else "") if names else "nobody"
