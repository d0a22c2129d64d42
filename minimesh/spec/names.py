"""Names: how they may look, what they stand for, and kinds of values that name a service."""

import re

from minimesh.model.egress import OUTSIDE
from minimesh.model.project import GATEWAY
from minimesh.spec import codes
from minimesh.spec.kinds import quote
from minimesh.spec.node import Node, Role
from minimesh.spec.schema import Kind
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError

MAX_LENGTH = 63
RESERVED = (GATEWAY, OUTSIDE, "self")

NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_LENGTH - 1}}}")
TRUST_DOMAIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")


def name(text: str) -> str:
    """A name as it must look (cli.md, section 4: tables split on spaces)."""
    if NAME.fullmatch(text):
        return text
    message = f"{quote(text)} is not a name; expected a to z, 0 to 9 and -, from a letter, at most {MAX_LENGTH}"
    raise TextError(codes.NAME, message, fix=quote(fitting(text)))


def fitting(text: str, otherwise: str = "app") -> str:
    """The text made to fit the pattern of names."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower())
    return re.sub(r"^[^a-z]+", "", plain)[:MAX_LENGTH].strip("-") or otherwise


def trust_domain(text: str) -> str:
    """The trust domain of a SPIFFE ID (SPIFFE-ID, section 2.1)."""
    if TRUST_DOMAIN.fullmatch(text):
        return text
    fix = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._") or "app.mesh"
    message = f"{quote(text)} is not a trust domain; expected a to z, 0 to 9, and . _ -, at most 255"
    raise TextError(codes.NAME, message, fix=quote(fix))


def check_name(node: Node) -> bool:
    """Whether the key of a service or task will do as its name; notes why not."""
    text = node.name
    if text in RESERVED:
        help_ = f"[{node.path[0]}.my-{text}]"
        node.note_key(codes.NAME, f"the name `{text}` is reserved for the mesh", help_)
        return False
    try:
        name(text)
    except TextError as error:
        node.note_key(error.code, error.message, f"[{node.path[0]}.{fitting(text)}]")
        return False
    return True


def check_task_name(node: Node) -> bool:
    """As `check_name`; services and tasks share their names, for both can be depended on."""
    if node.reading.roles.get(node.name) is not Role.TASK:
        node.note_key(codes.NAME, f"`{node.name}` is a service already", f"[tasks.{node.name}-task]")
        return False
    return check_name(node)


def roles(root: Node) -> dict[str, Role]:
    """What each name in a document stands for, as far as that can be told before it is checked."""
    tasks = root.children["tasks"].children if "tasks" in root.children else {}
    services = root.children["services"].children if "services" in root.children else {}
    return dict.fromkeys(tasks, Role.TASK) | {name: _role(node) for name, node in services.items()}


def _role(service: Node) -> Role:
    if "address" in service.children:
        return Role.EXTERNAL
    port = service.children.get("port")
    return Role.WORKER if port and port.value == "none" else Role.SERVICE


def known(node: Node, text: str, *, at_key: bool = False, also: tuple[str, ...] = ()) -> Role | None:
    """What a name stands for; None, with the problem noted, if nobody has it. also: names that may have been meant."""
    role = node.reading.roles.get(text)
    if role is None:
        meant = closest(text, (*node.reading.roles, *also))
        hint = f"; did you mean `{meant}`?" if meant else ""
        message = f"{node.label}: there is no service or task `{text}`{hint}"
        if at_key:
            node.note_key(codes.UNKNOWN_NAME, message, f'{meant} = "ready"' if meant else "")
        elif meant:
            node.note(codes.UNKNOWN_NAME, message, node.pair(quote(meant)))
        else:
            node.note(codes.UNKNOWN_NAME, message, f'define [services.{fitting(text)}] with run = "…" or address = "…"')
    return role


class Callee(Kind[str]):
    """The name of a service that takes calls."""

    noun = "the name of a service"
    example = '"orders"'

    def read(self, node: Node) -> str:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        text = node.text()
        if "@" in text and text.partition("@")[0] in node.reading.roles:
            message = f"{node.label}: versions of a service are part of minimesh.toml but not built yet"
            node.reject(codes.NOT_BUILT, message, node.pair(quote(text.partition("@")[0])))
        role = known(node, text)
        if role is None:
            node.give_up()
        if role is Role.TASK:
            message = f"{node.label}: `{text}` is a task and takes no calls"
            node.reject(codes.CONFLICT, message, f'depends_on = ["{text}"]')
        if role is Role.WORKER:
            message = f'{node.label}: `{text}` has port = "none" and takes no calls'
            node.reject(codes.CONFLICT, message, f"take `port` out of [services.{text}]; it then gets $PORT")
        return text
