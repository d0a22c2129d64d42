"""JSON Schema (2020-12, as OpenAPI 3.1 has it) of the types of the views."""

import types
import typing
from typing import Any, Literal, NotRequired, TypeAlias, Union, get_args, get_origin, is_typeddict

Schema: TypeAlias = dict[str, Any]

_PLAIN: dict[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    object: {},
}


def schema_of(annotation: object) -> Schema:
    """The schema of a type that a view is made of; a TypedDict is a reference to its component."""
    if annotation in _PLAIN:
        return dict(_PLAIN[annotation])
    if is_typeddict(annotation):
        return {"$ref": f"#/components/schemas/{name_of(annotation)}"}
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(argument) for argument in arguments]}
    if origin is NotRequired:
        return schema_of(arguments[0])
    raise TypeError(f"no JSON Schema is known for {annotation!r}")


def components(views: typing.Iterable[object]) -> dict[str, Schema]:
    """The schemas of TypedDicts and of all that they are made of, by name."""
    found: dict[str, Schema] = {}
    waiting = [inner for view in views for inner in _typed_dicts(view)]
    while waiting:
        view: Any = waiting.pop()
        name = name_of(view)
        if name in found:
            continue
        hints = typing.get_type_hints(view, include_extras=True)
        found[name] = {
            "type": "object",
            "description": " ".join((view.__doc__ or "").split()),
            "properties": {field: schema_of(annotation) for field, annotation in hints.items()},
            "required": sorted(view.__required_keys__),
            "additionalProperties": False,
        }
        waiting += [inner for annotation in hints.values() for inner in _typed_dicts(annotation)]
    return dict(sorted(found.items()))


def name_of(view: object) -> str:
    """What the component of a TypedDict is called: its class name without `View`."""
    name: str = view.__name__  # type: ignore[attr-defined]  # every TypedDict has one
    return name.removesuffix("View")


def _typed_dicts(annotation: object) -> list[object]:
    if is_typeddict(annotation):
        return [annotation]
    return [inner for argument in get_args(annotation) for inner in _typed_dicts(argument)]
