"""The document: well-formed OpenAPI, and schemas that refuse what the views do not allow."""

from typing import Any, Literal, NotRequired, TypedDict

import jsonschema  # type: ignore[import-untyped]  # has no types
import pytest

from minimesh.control import openapi
from minimesh.control.schema import components, schema_of


class Inner(TypedDict):
    """Within."""

    text: str


class OuterView(TypedDict):
    """Around."""

    one: Inner
    many: list[Inner]
    word: Literal["a", "b"]
    number: float | None
    counts: dict[str, int]
    maybe: NotRequired[bool]


RIGHT: dict[str, Any] = {
    "one": {"text": "x"},
    "many": [],
    "word": "a",
    "number": None,
    "counts": {"n": 1},
}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"maybe": True}, True),
        ({"number": 1.5}, True),
        ({"many": [{"text": "y"}]}, True),
        ({"maybe": None}, False),
        ({"word": "c"}, False),
        ({"many": [{}]}, False),
        ({"counts": {"n": "1"}}, False),
        ({"more": 1}, False),
    ],
)
def test_schemas_say_what_the_types_say(change: dict[str, object], fits: bool) -> None:
    document = {"$ref": "#/components/schemas/Outer", "components": {"schemas": components([OuterView])}}
    assert jsonschema.Draft202012Validator(document).is_valid(RIGHT | change) is fits


def test_a_type_without_a_schema_is_an_error() -> None:
    with pytest.raises(TypeError, match="set"):
        schema_of(set[int])


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document()

    def references(part: object) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [found for value in part.values() for found in references(value)]
        if isinstance(part, list):
            return [found for value in part for found in references(value)]
        return []

    found = {reference.rpartition("/")[2] for reference in references(document)}
    assert found == set(document["components"]["schemas"])


def test_every_operation_is_described() -> None:
    document = openapi.document()
    assert document["openapi"].startswith("3.1")
    for operation in openapi.OPERATIONS:
        described = document["paths"][operation.path][operation.method]
        assert described["operationId"] == operation.id
        assert str(operation.status) in described["responses"]
        assert operation.path.startswith("/v1/")
