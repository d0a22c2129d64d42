"""What is said of who may call whom: the shapes of the control API and of `minimesh authz -o json`."""

from typing import Literal, TypedDict

Effect = Literal["allow", "deny"]


class RuleVerdictView(TypedDict):
    """A rule of the service, as it is written, and whether it fits the call. why: what does not fit, or all that does.

    audit: it decides nothing. where: FILE:LINE."""

    effect: Effect
    rule: str
    where: str
    audit: bool
    fits: bool
    why: str


class AuthorizationView(TypedDict):
    """Whether a call is allowed. method and path are null of a connection.

    decided: the first rule that fits; null: none does, and the default holds. because: in words. where: of the rule,
    else of the `allow` that has none. add: the rule that would allow it, where a missing one is all that is wrong.
    would: what the rules under audit would change. considered: every rule, in the order in which they are asked."""

    caller: str
    service: str
    method: str | None
    path: str | None
    allowed: bool
    decided: RuleVerdictView | None
    because: str
    where: str
    add: str | None
    would: Literal["allow", "refuse"] | None
    has_way: bool
    considered: list[RuleVerdictView]


class SuggestionView(TypedDict):
    """What `allow` of a service has to hold for the calls that there were. requests: so many; those that were refused
    are not among them. allow: rules as they are written. since: of the oldest one, RFC 3339."""

    service: str
    requests: int
    since: str | None
    callers: list[str]
    allow: list[str]
