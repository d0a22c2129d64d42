"""What a service tells by reflection, from a server in memory that speaks one version or the other."""

from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from minimesh.control import reflection
from minimesh.control.reflection import VERSIONS, reflect
from minimesh.dataplane.owncall import CallFailed
from minimesh.model.grpc import Status
from minimesh.spec.annotations import ApiError, read_api
from tests.protos import LIBRARY

pytestmark = pytest.mark.anyio
FILES = {file.name: file for file in FileDescriptorSet.FromString(LIBRARY).file}
ASK: Any = GetMessageClass(reflection._types().FindMessageTypeByName("minimesh.Ask"))
TOLD: Any = GetMessageClass(reflection._types().FindMessageTypeByName("minimesh.Told"))


class Server:
    """Tells one file at a time; `lacks`: files that it does not know."""

    def __init__(self, version: str, *lacks: str) -> None:
        self.version = version
        self.lacks = lacks
        self.questions: list[str] = []

    async def ask(self, path: str, message: bytes) -> list[bytes]:
        if path != f"/{self.version}.ServerReflection/ServerReflectionInfo":
            raise CallFailed(Status.UNIMPLEMENTED, "no such method")
        question = ASK.FromString(message)
        told = TOLD()
        if question.HasField("list_services"):
            for name in ("library.v1.Library", "grpc.reflection.v1.ServerReflection"):
                told.list_services_response.service.add(name=name)
            return [told.SerializeToString()]
        name = question.file_by_filename or "library.proto"
        self.questions.append(question.file_containing_symbol or name)
        if name in self.lacks:
            told.error_response.error_message = "not found"
        else:
            told.file_descriptor_response.file_descriptor_proto.append(FILES[name].SerializeToString())
        return [told.SerializeToString()]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_file_that_is_needed_is_asked_for_once(version: str) -> None:
    server = Server(version)
    api, _ = read_api(await reflect(server.ask))
    assert api.bindings == read_api(LIBRARY)[0].bindings
    assert server.questions == ["library.v1.Library", "google/api/annotations.proto", "google/api/http.proto"]


async def test_no_reflection_and_a_file_that_is_not_told() -> None:
    with pytest.raises(CallFailed, match="no reflection"):
        await reflect(Server("other").ask)
    with pytest.raises(ApiError, match=r"http\.proto"):
        await reflect(Server(VERSIONS[0], "google/api/http.proto").ask)


@pytest.mark.parametrize("answers", [[], [b"\xff\xff"]])
async def test_what_is_no_answer(answers: list[bytes]) -> None:
    async def ask(path: str, message: bytes) -> list[bytes]:
        return answers

    with pytest.raises(ApiError):
        await reflect(ask)


async def test_what_is_no_file() -> None:
    told = TOLD()
    told.file_descriptor_response.file_descriptor_proto.append(b"\xff")
    listed = TOLD()
    listed.list_services_response.service.add(name="a.B")
    answers = [listed, told]

    async def ask(path: str, message: bytes) -> list[bytes]:
        return [answers.pop(0).SerializeToString()]

    with pytest.raises(ApiError, match="not a file descriptor"):
        await reflect(ask)


async def test_a_service_that_tells_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflection, "MOST_FILES", 10)
    told = 0

    async def ask(path: str, message: bytes) -> list[bytes]:
        nonlocal told
        answer = TOLD()
        if ASK.FromString(message).HasField("list_services"):
            answer.list_services_response.service.add(name="a.B")
        else:
            file = FileDescriptorProto(name=f"{told}.proto", dependency=[f"{told + 1}.proto"])
            answer.file_descriptor_response.file_descriptor_proto.append(file.SerializeToString())
            told += 1
        return [answer.SerializeToString()]

    with pytest.raises(ApiError, match="more than 10 files"):
        await reflect(ask)
