"""Descriptor sets for tests: that of library.proto, as protoc made it, and small ones made here."""

from collections.abc import Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from minimesh.spec.annotations import rule_types

LIBRARY = Path(__file__).with_name("library.pb").read_bytes()


def made(*rules: Mapping[str, object], imports: tuple[str, ...] = ()) -> bytes:
    """A service with a method for each rule of google.api.http; {}: one without. Their request has name, size, tags
    and owner, which is of its own kind."""
    files = FileDescriptorSet()
    file = files.file.add(name="made.proto", package="made", syntax="proto3", dependency=imports)
    ask = file.message_type.add(name="Ask")
    ask.field.add(name="name", number=1, type=FieldDescriptorProto.TYPE_STRING, label=1)
    ask.field.add(name="size", number=2, type=FieldDescriptorProto.TYPE_INT32, label=1)
    ask.field.add(name="tags", number=3, type=FieldDescriptorProto.TYPE_STRING, label=3)
    ask.field.add(name="owner", number=4, type=FieldDescriptorProto.TYPE_MESSAGE, type_name=".made.Ask", label=1)
    service = file.service.add(name="Made")
    options = GetMessageClass(rule_types().FindMessageTypeByName("minimesh.Options"))
    for number, rule in enumerate(rules, 1):
        method = service.method.add(name=f"Call{number}", input_type=".made.Ask", output_type=".made.Ask")
        if rule:
            method.options.ParseFromString(options(http=rule).SerializeToString())
    return files.SerializeToString()
