"""What of a service of gRPC can be asked as REST: its google.api.http annotations as a value."""

from dataclasses import dataclass, field

from minimesh.model.pathtemplate import PathTemplate


@dataclass(frozen=True, slots=True)
class Call:
    """A method of gRPC. path: `/shop.Orders/Get`; request, response: the full names of its messages."""

    path: str
    request: str
    response: str
    client_streams: bool = False
    server_streams: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to ask for a call. method: of HTTP, or `*` for any. body: the field of the request that it is, `*` for
    all that the path does not have, "" for none; response_body: the field of the answer that is told, "" for all."""

    method: str
    template: PathTemplate
    call: Call
    body: str = ""
    response_body: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.template.text}"


@dataclass(frozen=True, slots=True)
class Api:
    """`files`: a serialized FileDescriptorSet, each file behind those that it imports."""

    bindings: tuple[Binding, ...]
    files: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transcoding:
    """For a service that is asked as REST. api None: what it can be asked is not known yet."""

    api: Api | None = None
