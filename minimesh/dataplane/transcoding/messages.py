"""Between JSON and the messages of an api, as protobuf's JSON mapping has it.

The only module of the data plane that knows protobuf; it is imported where a service asks for it.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import cast
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, MessageToJson, ParseDict, ParseError, SerializeToJsonError
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from minimesh.model.transcoding import Api, Binding
from minimesh.spec.annotations import PLAIN_MESSAGES, field_of, pool_of

_MOST_DEEP = 64
_DEFAULTS: Mapping[int, object] = {
    FieldDescriptor.CPPTYPE_BOOL: False,
    FieldDescriptor.CPPTYPE_STRING: "",
    FieldDescriptor.CPPTYPE_FLOAT: 0.0,
    FieldDescriptor.CPPTYPE_DOUBLE: 0.0,
    FieldDescriptor.CPPTYPE_INT32: 0,
    FieldDescriptor.CPPTYPE_UINT32: 0,
    FieldDescriptor.CPPTYPE_INT64: "0",
    FieldDescriptor.CPPTYPE_UINT64: "0",
    FieldDescriptor.CPPTYPE_MESSAGE: None,
}


class BadRequest(Exception):  # noqa: N818 - what the caller gets
    """The request is not the JSON of its message; in words for its caller."""


class BadAnswer(Exception):  # noqa: N818 - likewise
    """The service's answer is not the message that its descriptors say."""


class Messages:
    """Those of one api."""

    def __init__(self, api: Api) -> None:
        files = list(FileDescriptorSet.FromString(api.files).file)
        self._pool = pool_of(files)
        # All are held: a class that nobody holds is made for each message anew, and left to the collector.
        self._classes: dict[str, type[Message]] = {}
        for file in files:
            for descriptor in self._pool.FindFileByName(file.name).message_types_by_name.values():
                self._keep(descriptor)

    def _keep(self, descriptor: Descriptor) -> None:
        self._classes[descriptor.full_name] = GetMessageClass(descriptor)
        for inner in descriptor.nested_types:
            self._keep(inner)

    def request(self, binding: Binding, values: Mapping[str, str], query: str, body: bytes) -> bytes:
        """The message that a request means. Raises BadRequest."""
        message = self._classes[binding.call.request]()
        descriptor = self._pool.FindMessageTypeByName(binding.call.request)
        said = _from_body(binding, descriptor, body)
        try:
            pairs = parse_qsl(query, keep_blank_values=True)
        except ValueError as error:
            raise BadRequest(f"the query: {error}") from None
        if pairs or values:
            if not isinstance(said, dict):
                raise BadRequest("the body is not a JSON object")
            _Placing(descriptor, said).place(pairs, values)
        try:
            # A message whose JSON is no object (a list, a value) is read from that.
            ParseDict(
                cast("dict[str, object]", said), message, descriptor_pool=self._pool, max_recursion_depth=_MOST_DEEP
            )
            return message.SerializeToString()
        except (ParseError, EncodeError, ValueError, TypeError, RecursionError) as error:
            raise BadRequest(_first_line(error)) from None

    def answer(self, binding: Binding, data: bytes) -> bytes:
        """The JSON of a message, in one line. Raises BadAnswer."""
        kind = self._classes[binding.call.response]
        try:
            message = kind.FromString(data)
            if not binding.response_body:
                return MessageToJson(message, indent=None, ensure_ascii=False, descriptor_pool=self._pool).encode()
            field = field_of(self._pool.FindMessageTypeByName(binding.call.response), binding.response_body)
            assert field is not None
            told = MessageToDict(message, descriptor_pool=self._pool)
            return _json(told.get(field.json_name, _default(field)))
        except (DecodeError, SerializeToJsonError, ValueError, TypeError, KeyError) as error:
            raise BadAnswer(_first_line(error)) from None

    def status(self, code: int, message: str, details: bytes = b"") -> bytes:
        """google.rpc.Status as JSON; details: what `grpc-status-details-bin` holds."""
        told: dict[str, object] = {"code": code, "message": message}
        if details:
            status = _status_class()()
            try:
                status.ParseFromString(details)
            except DecodeError:
                return _json(told)
            told["details"] = [self._detail(each) for each in status.details]  # type: ignore[attr-defined]  # made at run time
        return _json(told)

    def _detail(self, any_: Message) -> dict[str, object]:
        """Of a type that the api does not have there are but its bytes."""
        url, value = any_.type_url, any_.value  # type: ignore[attr-defined]  # made at run time
        try:
            message = self._classes[url.rpartition("/")[2]].FromString(value)
            told = MessageToDict(message, descriptor_pool=self._pool)
        except (KeyError, DecodeError, SerializeToJsonError, ValueError, TypeError):
            return {"@type": url, "value": b64encode(value).decode()}
        # What of the well-known ones is not an object stands under `value`.
        return {"@type": url, **told} if isinstance(cast("object", told), dict) else {"@type": url, "value": told}


messages_of = lru_cache(maxsize=64)(Messages)
"""The one of an api."""


def _from_body(binding: Binding, descriptor: Descriptor, body: bytes) -> object:
    """The JSON of the request as far as the body has it."""
    if not binding.body or not body.strip():
        return {}
    try:
        said: object = json.loads(body, object_pairs_hook=_object, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {_first_line(error)}") from None
    if binding.body == "*":
        return said
    field = field_of(descriptor, binding.body)
    assert field is not None
    return {field.json_name: said}


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is there twice in an object")
    return made


def _constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


class _Placing:
    """Puts texts of the path and of the query where they belong in the JSON of a request."""

    def __init__(self, descriptor: Descriptor, said: dict[str, object]) -> None:
        self._descriptor = descriptor
        self._said = said

    def place(self, query: Iterable[tuple[str, str]], values: Mapping[str, str]) -> None:
        seen: set[str] = set()
        for path, text in query:
            if path in values:
                raise BadRequest(f"{path} is in the path already")
            if path in seen and not self._put(path, text, again=True):
                raise BadRequest(f"{path} is there more than once")
            if path not in seen:
                self._put(path, text)
            seen.add(path)
        for path, text in values.items():
            self._put(path, text)

    def _put(self, path: str, text: str, *, again: bool = False) -> bool:
        """Whether there may be several of it. Raises BadRequest."""
        owner, said = self._descriptor, self._said
        *parents, last = path.split(".")
        for name in parents:
            field = _known(owner, name, path)
            if field.is_repeated or field.message_type is None:
                raise BadRequest(f"{path}: {name} is no message")
            inner = said.setdefault(_key(said, field), {})
            if not isinstance(inner, dict):
                raise BadRequest(f"{path}: {name} is not an object in the body")
            owner, said = field.message_type, inner
        field = _known(owner, last, path)
        value, key = _value(field, path, text), _key(said, field)
        if field.is_repeated:
            several = said.setdefault(key, [])
            if not isinstance(several, list):
                raise BadRequest(f"{path} is not a list in the body")
            several.append(value)
        elif not again:
            said[key] = value
        return bool(field.is_repeated)


def _known(owner: Descriptor, name: str, path: str) -> FieldDescriptor:
    field = field_of(owner, name)
    if field is None:
        raise BadRequest(f"there is no field {path}")
    return field


def _key(said: Mapping[str, object], field: FieldDescriptor) -> str:
    """The name of a field that the JSON has for it already, or may have."""
    return field.name if field.name in said else str(field.json_name)


def _value(field: FieldDescriptor, path: str, text: str) -> object:
    """A text as JSON has it for such a field. Numbers, enums and bytes are read from texts too."""
    kind = field.message_type
    if kind is not None and kind.full_name not in PLAIN_MESSAGES:
        raise BadRequest(f"{path} is a message or a map, not a value")
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL or (kind and kind.full_name == "google.protobuf.BoolValue"):
        if text not in ("true", "false"):
            raise BadRequest(f"{path} is neither true nor false")
        return text == "true"
    return text


def _default(field: FieldDescriptor) -> object:
    """The JSON of a field that a message does not have."""
    if field.is_repeated:
        return {} if _is_map(field) else []
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    return _DEFAULTS[field.cpp_type]


def _is_map(field: FieldDescriptor) -> bool:
    kind = field.message_type
    return kind is not None and bool(kind.GetOptions().map_entry)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:500]


@cache
def _status_class() -> type[Message]:
    """google.rpc.Status, whose details are google.protobuf.Any."""
    file = FileDescriptorProto(name="minimesh/status.proto", package="minimesh", syntax="proto3")
    any_ = file.message_type.add(name="Any")
    any_.field.add(name="type_url", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    any_.field.add(name="value", number=2, type=FieldDescriptorProto.TYPE_BYTES, label=1)
    status = file.message_type.add(name="Status")
    status.field.add(
        name="details", number=3, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=".minimesh.Any", label=3
    )
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("minimesh.Status"))
