"""`transcode`: how it is known what a service of gRPC can be asked as REST."""

import errno
import shlex
from pathlib import Path

from minimesh.model.service import Transcode
from minimesh.model.transcoding import Api
from minimesh.spec import codes
from minimesh.spec.files import folders_in, read_plain_file
from minimesh.spec.kinds import Either, Off, Parsed, quote
from minimesh.spec.node import Node
from minimesh.spec.schema import Fields, Key, Kind, Table
from minimesh.spec.source import path_from
from minimesh.spec.suggest import closest
from minimesh.spec.text_error import TextError

REFLECTION = "reflection"
_SUFFIXES = (".pb", ".binpb", ".desc", ".protoset")
_MAKE = "protoc --include_imports --descriptor_set_out="


class DescriptorSet(Kind[tuple[Path, Api]]):
    """A file that protoc made, read whole, with what is annotated in it."""

    noun = "the path of a descriptor set"
    example = '"api.pb"'

    def read(self, node: Node) -> tuple[Path, Api]:
        if not isinstance(node.value, str):
            self.wrong_type(node)
        path = node.folder / node.text()
        return path, self._api(node, path, self._content(node, path))

    def _content(self, node: Node, path: Path) -> bytes:
        try:
            return read_plain_file(path)
        except OSError as error:
            near = closest(path.name, _names_in(path.parent))
            hint = f"; did you mean `{near}`?" if near else ""
            fix = node.pair(quote(str(Path(node.text()).with_name(near)))) if near else _made(path)
            why = "is not there" if error.errno == errno.ENOENT else f"cannot be read: {error.strerror or error}"
            node.reject(codes.NO_FILE, f"{node.label}: {quote(node.text())} {why}{hint}", fix)

    def _api(self, node: Node, path: Path, content: bytes) -> Api:
        from minimesh.spec.annotations import ApiError, read_api  # noqa: PLC0415 - protobuf, for who asks for it alone

        try:
            api, warnings = read_api(content)
        except ApiError as error:
            for mistake in error.mistakes:
                node.note(codes.DESCRIPTORS, f"{quote(node.text())}: {mistake}", _made(path))
            node.give_up()
        for warning in warnings:
            node.warn(codes.DESCRIPTORS, f"{quote(node.text())}: {warning}")
        return api


def _names_in(folder: Path) -> list[str]:
    try:
        return [at.name for at in folder.iterdir() if at.is_file()]
    except OSError:
        return folders_in(folder)


def _made(path: Path) -> str:
    """How such a file is made; not over one that is of another sort."""
    out = path_from(Path.cwd(), path if path.suffix in _SUFFIXES else path.with_name("api.pb"))
    return f"{_MAKE}{shlex.quote(out)} {shlex.quote(Path(out).with_suffix('.proto').name)}"


def way(text: str) -> Transcode:
    """The one word that there is beside "off"."""
    if text != REFLECTION:
        message = (
            f'{quote(text)} is no way to know an api; expected "{REFLECTION}", a table with `descriptors`, or "off"'
        )
        raise TextError(codes.VALUE, message, fix=quote(closest(text, (REFLECTION, "off")) or REFLECTION))
    return Transcode()


DESCRIPTORS = Key(
    "descriptors", DescriptorSet(), "the file that protoc made of the .proto files, with their imports", required=True
)


def _transcode(fields: Fields) -> Transcode:
    path, api = fields.get(DESCRIPTORS, (None, None))
    return Transcode(path, api)


TRANSCODE = Key(
    "transcode",
    Off(
        Either(
            Parsed(f'"{REFLECTION}"', f'"{REFLECTION}"', way),
            Table((DESCRIPTORS,), _transcode, example='{ descriptors = "api.pb" }'),
        )
    ),
    "REST for a service of gRPC, as its google.api.http annotations say",
    '"off"',
)
