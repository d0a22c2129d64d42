"""What a service can be asked, as it tells by reflection (grpc.reflection.v1, or v1alpha where that is older).

Imported by who asks for it alone: protobuf costs 30 ms.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from minimesh.dataplane.owncall import CallFailed
from minimesh.model.grpc import Status
from minimesh.spec.annotations import ApiError, is_well_known

Ask: TypeAlias = Callable[[str, bytes], Awaitable[list[bytes]]]
"""Calls the method of this path with this message. Raises CallFailed."""
VERSIONS = ("grpc.reflection.v1", "grpc.reflection.v1alpha")
MOST_FILES = 2000
_ITS_OWN = ("grpc.reflection.", "grpc.health.", "grpc.channelz.")
_Message: TypeAlias = Any  # made at run time


async def reflect(ask: Ask) -> bytes:
    """All that its services are made of, as a serialized FileDescriptorSet. Raises CallFailed and ApiError."""
    version, services = await _services(ask)
    files: dict[str, FileDescriptorProto] = {}
    for name in services:
        if not name.startswith(_ITS_OWN):
            await _add(ask, version, files, file_containing_symbol=name)
    while missing := _missing(files):
        for name in missing:
            await _add(ask, version, files, file_by_filename=name)
            if name not in files:
                raise ApiError(f"it does not tell {name}, which is imported")
    return FileDescriptorSet(file=files.values()).SerializeToString()


async def _services(ask: Ask) -> tuple[str, list[str]]:
    """The version that it speaks, and the names of its services."""
    failure = CallFailed(Status.UNIMPLEMENTED, "it has no reflection")
    for version in VERSIONS:
        try:
            answer = await _asked(ask, version, list_services="")
        except CallFailed as error:
            if error.status != Status.UNIMPLEMENTED:
                raise
            failure = CallFailed(error.status, f"it has no reflection: {error}")
            continue
        return version, [each.name for each in answer.list_services_response.service]
    raise failure


async def _add(ask: Ask, version: str, files: dict[str, FileDescriptorProto], **question: str) -> None:
    answer = await _asked(ask, version, **question)
    for data in answer.file_descriptor_response.file_descriptor_proto:
        try:
            file = FileDescriptorProto.FromString(data)
        except DecodeError:
            raise ApiError("it told something that is not a file descriptor") from None
        files.setdefault(file.name, file)
    if len(files) > MOST_FILES:
        raise ApiError(f"its services are made of more than {MOST_FILES} files")


def _missing(files: dict[str, FileDescriptorProto]) -> list[str]:
    imported = {name for file in files.values() for name in file.dependency}
    return [name for name in sorted(imported) if name not in files and not is_well_known(name)]


async def _asked(ask: Ask, version: str, **question: str) -> _Message:
    """The first answer to a question. Raises CallFailed and ApiError."""
    request, response = (
        GetMessageClass(_types().FindMessageTypeByName(f"minimesh.{name}")) for name in ("Ask", "Told")
    )
    message = request(**question).SerializeToString()
    answers = await ask(f"/{version}.ServerReflection/ServerReflectionInfo", message)
    if not answers:
        raise ApiError("it answered nothing")
    try:
        told: _Message = response.FromString(answers[0])
    except DecodeError:
        raise ApiError("its answer is not one of reflection") from None
    if told.HasField("error_response"):
        raise ApiError(f"it answered {', '.join(question.values())!r} with: {told.error_response.error_message}")
    return told


@cache
def _types() -> DescriptorPool:
    """grpc.reflection.v1 as far as it matters here; v1alpha has the same."""
    text, message = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_MESSAGE
    file = FileDescriptorProto(name="minimesh/reflection.proto", package="minimesh", syntax="proto3")
    ask = file.message_type.add(name="Ask")
    ask.oneof_decl.add(name="question")
    for number, name in ((3, "file_by_filename"), (4, "file_containing_symbol"), (7, "list_services")):
        ask.field.add(name=name, number=number, type=text, label=1, oneof_index=0)
    files = file.message_type.add(name="Files")
    files.field.add(name="file_descriptor_proto", number=1, type=FieldDescriptorProto.TYPE_BYTES, label=3)
    service = file.message_type.add(name="Service")
    service.field.add(name="name", number=1, type=text, label=1)
    services = file.message_type.add(name="Services")
    services.field.add(name="service", number=1, type=message, type_name=".minimesh.Service", label=3)
    error = file.message_type.add(name="Error")
    error.field.add(name="error_code", number=1, type=FieldDescriptorProto.TYPE_INT32, label=1)
    error.field.add(name="error_message", number=2, type=text, label=1)
    told = file.message_type.add(name="Told")
    for number, name, kind in (
        (4, "file_descriptor_response", "Files"),
        (6, "list_services_response", "Services"),
        (7, "error_response", "Error"),
    ):
        told.field.add(name=name, number=number, type=message, type_name=f".minimesh.{kind}", label=1)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool
