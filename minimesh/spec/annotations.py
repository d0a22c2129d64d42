"""The google.api.http annotations of a descriptor set: bytes in, an Api out, or what is wrong with it.

Imported by who needs it alone: protobuf costs 30 ms.
"""

from collections.abc import Iterator
from functools import cache

from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import (
    DESCRIPTOR,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from minimesh.model.pathtemplate import TemplateError, parse
from minimesh.model.transcoding import Api, Binding, Call

HTTP_EXTENSION = 72295728
"""Of MethodOptions: `google.api.http`."""
_KINDS = ("get", "put", "post", "delete", "patch")
# Files that everybody has, and that who makes a set may have left out.
_WELL_KNOWN = (
    DESCRIPTOR,
    *(
        each.DESCRIPTOR
        for each in (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
    ),
)
# Messages whose JSON is a single value, and that a path or a query can therefore have.
_PLAIN = (
    ("Timestamp", "Duration", "FieldMask"),
    ("StringValue", "BytesValue", "BoolValue", "FloatValue", "DoubleValue"),
    ("Int32Value", "Int64Value", "UInt32Value", "UInt64Value"),
)
PLAIN_MESSAGES = frozenset(f"google.protobuf.{name}" for names in _PLAIN for name in names)


class ApiError(Exception):
    """A set that cannot be used: every mistake in it."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__(*mistakes)
        self.mistakes = mistakes


def read_api(data: bytes) -> tuple[Api, tuple[str, ...]]:
    """A serialized FileDescriptorSet; the warnings too. Raises ApiError."""
    try:
        files = FileDescriptorSet.FromString(data)
    except DecodeError:
        raise ApiError("it is not a descriptor set") from None
    if not files.file:
        raise ApiError("it is not a descriptor set, or an empty one")
    ordered = in_order({file.name: file for file in files.file})
    pool = pool_of(ordered)
    bindings: list[Binding] = []
    mistakes: list[str] = []
    for file in ordered:
        for service in file.service:
            methods = pool.FindServiceByName(f"{file.package}.{service.name}".lstrip(".")).methods
            for method in methods:
                for rule in _rules_of(method):
                    try:
                        bindings.append(_binding(method, rule))
                    except (TemplateError, ApiError) as error:
                        mistakes.append(f"{method.full_name}: {error}")
    if mistakes:
        raise ApiError(*mistakes)
    if not bindings:
        raise ApiError("none of its methods has a google.api.http annotation")
    return Api(tuple(bindings), FileDescriptorSet(file=ordered).SerializeToString()), tuple(_hidden(bindings))


def in_order(files: dict[str, FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Each behind those that it imports. Raises ApiError where one is not there."""
    known = {file.name: file for file in _WELL_KNOWN}
    found: dict[str, FileDescriptorProto] = {}
    path: list[str] = []

    def add(name: str, by: str) -> None:
        if name in found:
            return
        if name in path:
            raise ApiError(f"{name} imports itself")
        file = files.get(name)
        if file is None and name in known:
            file = FileDescriptorProto()
            known[name].CopyToProto(file)
        if file is None:
            raise ApiError(f"{by} imports {name}, which is not in it: make it with --include_imports")
        path.append(name)
        for other in file.dependency:
            add(other, name)
        path.pop()
        found[name] = file

    for name in files:
        add(name, "it")
    return list(found.values())


def is_well_known(file: str) -> bool:
    """Everybody has it, whoever leaves it out."""
    return any(known.name == file for known in _WELL_KNOWN)


def pool_of(ordered: list[FileDescriptorProto]) -> DescriptorPool:
    """Raises ApiError where the files do not fit together."""
    pool = DescriptorPool()
    for file in ordered:
        try:
            pool.AddSerializedFile(file.SerializeToString())
            pool.FindFileByName(file.name)
        except (TypeError, KeyError) as error:
            raise ApiError(f"{file.name} does not fit the others: {error}") from None
    return pool


def field_of(message: Descriptor, name: str) -> FieldDescriptor | None:
    """A field by its name or by its name in JSON."""
    found: FieldDescriptor | None = message.fields_by_name.get(name)
    return found or next((field for field in message.fields if field.json_name == name), None)


def _rules_of(method: MethodDescriptor) -> Iterator[Message]:
    """The rule of a method, and those beside it."""
    options = GetMessageClass(rule_types().FindMessageTypeByName("minimesh.Options"))()
    options.ParseFromString(method.GetOptions().SerializeToString())
    if options.HasField("http"):
        yield options.http  # type: ignore[attr-defined]  # made at run time
        yield from options.http.additional_bindings  # type: ignore[attr-defined]


def _binding(method: MethodDescriptor, rule: Message) -> Binding:
    """Raises TemplateError and ApiError."""
    said = {kind: getattr(rule, kind) for kind in _KINDS if getattr(rule, kind)}
    custom = rule.custom  # type: ignore[attr-defined]  # made at run time
    if custom.path:
        said[custom.kind or "*"] = custom.path
    if len(said) != 1:
        raise ApiError("its annotation has no path" if not said else "its annotation has two paths")
    ((kind, path),) = said.items()
    try:
        template = parse(path)
    except TemplateError as error:
        raise TemplateError(f"the path {path!r}: {error}") from None
    body, response_body = rule.body, rule.response_body  # type: ignore[attr-defined]
    request, response = method.input_type, method.output_type
    for variable in template.variables:
        _check_variable(request, variable.field)
    if body not in ("", "*") and field_of(request, body) is None:
        raise ApiError(f"its body is {body!r}, and {request.full_name} has no such field")
    if response_body and field_of(response, response_body) is None:
        raise ApiError(f"its response_body is {response_body!r}, and {response.full_name} has no such field")
    service = method.containing_service.full_name
    call = Call(
        f"/{service}/{method.name}",
        request.full_name,
        response.full_name,
        bool(method.client_streaming),
        bool(method.server_streaming),
    )
    return Binding(kind.upper(), template, call, body, response_body)


def _check_variable(message: Descriptor, path: str) -> None:
    """A variable is a single value of the request. Raises ApiError."""
    owner: Descriptor | None = message
    for name in path.split("."):
        field = field_of(owner, name) if owner is not None else None
        if field is None:
            raise ApiError(f"there is no field {path!r} in {message.full_name}, which its path names")
        if field.is_repeated:
            raise ApiError(f"the field {path!r} that its path names is a list")
        owner = field.message_type
    if owner is not None and owner.full_name not in PLAIN_MESSAGES:
        raise ApiError(f"the field {path!r} that its path names is a message")


def _hidden(bindings: list[Binding]) -> Iterator[str]:
    """Those that another one hides."""
    seen: dict[tuple[str, tuple[str, ...]], Binding] = {}
    for binding in bindings:
        first = seen.setdefault((binding.method, binding.template.shape), binding)
        if first is not binding:
            yield f"{binding} of {binding.call.path[1:]} is never asked: {first.call.path[1:]} has the same before it"


@cache
def rule_types() -> DescriptorPool:
    """google.api.HttpRule as far as it matters here, and the options of a method that have one."""
    text, message = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_MESSAGE
    file = FileDescriptorProto(name="minimesh/http.proto", package="minimesh", syntax="proto3")
    custom = file.message_type.add(name="Custom")
    custom.field.add(name="kind", number=1, type=text, label=1)
    custom.field.add(name="path", number=2, type=text, label=1)
    rule = file.message_type.add(name="Rule")
    numbers = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 6, "body": 7, "response_body": 12}
    for name, number in numbers.items():
        rule.field.add(name=name, number=number, type=text, label=1)
    rule.field.add(name="custom", number=8, type=message, type_name=".minimesh.Custom", label=1)
    rule.field.add(name="additional_bindings", number=11, type=message, type_name=".minimesh.Rule", label=3)
    options = file.message_type.add(name="Options")
    options.field.add(name="http", number=HTTP_EXTENSION, type=message, type_name=".minimesh.Rule", label=1)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
