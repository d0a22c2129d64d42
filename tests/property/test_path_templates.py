"""Path templates of google.api.http: what they are, and which paths they match."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.dataplane.transcoding.routes import Routes
from minimesh.model.pathtemplate import PathTemplate, TemplateError, parse
from minimesh.model.transcoding import Binding, Call

CALL = Call("/made.Made/Call", "made.Ask", "made.Ask")

# From the documentation of google.api.http, and where it leaves things open.
MATCHES: list[tuple[str, str, dict[str, str] | None]] = [
    ("/v1/messages/{id}", "/v1/messages/7", {"id": "7"}),
    ("/v1/messages/{id}", "/v1/messages/7/8", None),
    ("/v1/messages/{id}", "/v1/messages/", None),
    ("/v1/{name=shelves/*}", "/v1/shelves/1", {"name": "shelves/1"}),
    ("/v1/{name=shelves/*}", "/v1/books/1", None),
    ("/v1/{name=shelves/*/books/*}:move", "/v1/shelves/1/books/2:move", {"name": "shelves/1/books/2"}),
    ("/v1/{name=shelves/*/books/*}:move", "/v1/shelves/1/books/2", None),
    ("/v1/{a.b.c}/x", "/v1/1/x", {"a.b.c": "1"}),
    ("/v1/{a}/{b=**}", "/v1/1", {"a": "1", "b": ""}),
    ("/v1/{a}/{b=**}", "/v1/1/2/3", {"a": "1", "b": "2/3"}),
    ("/v1/{b=x/**}:undo", "/v1/x/2/3:undo", {"b": "x/2/3"}),
    ("/v1/*/x/**", "/v1/1/x", {}),
    ("/v1/{id}", "/v1/a%2Fb%20c", {"id": "a/b c"}),
    ("/v1/{id=**}", "/v1/a%2Fb%20c/d", {"id": "a%2Fb c/d"}),
    ("/v1/{id}", "/v1/a:b", {"id": "a:b"}),
    ("/v1/caf%C3%A9/{id}", "/v1/caf%C3%A9/1", {"id": "1"}),
]


def binding(template: PathTemplate, method: str = "GET") -> Binding:
    return Binding(method, template, CALL)


@pytest.mark.parametrize(("text", "path", "values"), MATCHES)
def test_what_a_template_matches(text: str, path: str, values: dict[str, str] | None) -> None:
    found = Routes([binding(parse(text))]).find("GET", path)
    assert (None if found is None else found[1]) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin"),
        ("v1", "does not begin"),
        ("/", "a segment is missing"),
        ("/v1//x", "a segment is missing"),
        ("/v1/", "a segment is missing"),
        ("/v1/{}", "name of a field"),
        ("/v1/{a", "'}' is missing"),
        ("/v1/{a=}", "a segment is missing"),
        ("/v1/{a={b}}", "a variable in a variable"),
        ("/v1/{a}/{a}", "twice"),
        ("/v1/**/x", "not the last"),
        ("/v1/{a=**}/{b}", "not the last"),
        ("/v1/x:", "a verb is missing"),
        ("/v1/x:a:b", "not understood"),
        ("/v1/a b", "not understood"),
        ("/v1/{a}b", "not understood"),
        ("/v1/?x", "a segment is missing"),
    ],
)
def test_what_is_no_template(text: str, said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        parse(text)


LITERAL = st.text("abz-._~", min_size=1, max_size=4)
SEGMENT = st.one_of(LITERAL, st.just("*"))


@st.composite
def templates(draw: st.DrawFn) -> str:
    parts = []
    for number in range(draw(st.integers(1, 4))):
        inner = "/".join(draw(st.lists(SEGMENT, min_size=1, max_size=2)))
        parts.append(draw(st.sampled_from([inner, f"{{f{number}}}", f"{{f{number}={inner}}}"])))
    last = draw(st.sampled_from(["", "/**", "/{rest=**}"]))
    return "/" + "/".join(parts) + last + draw(st.sampled_from(["", ":undo"]))


@given(templates(), st.data())
def test_a_path_made_of_a_template_matches_it_and_gives_its_parts_back(text: str, data: st.DataObject) -> None:
    template = parse(text)
    assert parse(template.text) == template
    segments: list[str] = []
    for segment in template.segments:
        if segment == "**":
            segments += data.draw(st.lists(LITERAL, max_size=3))
        else:
            segments.append(data.draw(LITERAL) if segment == "*" else segment)
    path = "/" + "/".join(segments) + (f":{template.verb}" if template.verb else "")
    found = Routes([binding(template)]).find("GET", path)
    assert found is not None
    assert found[1].keys() == {variable.field for variable in template.variables}
    for variable in template.variables:
        end = None if template.segments[variable.end - 1] == "**" else variable.end
        assert found[1][variable.field] == "/".join(segments[variable.start : end])


@given(st.text(max_size=30))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = parse(text)
    except TemplateError:
        return
    assert template.segments
    assert "".join(part for part in template.segments if part not in ("*", "**")).isascii()


@given(st.lists(templates(), max_size=8), templates())
def test_more_bindings_hide_nothing_that_matches(others: list[str], text: str) -> None:
    """A path that one template matches is matched by a table that has it, whatever else that has."""
    template = parse(text)
    segments = ["q" if segment == "*" else segment for segment in template.segments if segment != "**"]
    path = "/" + "/".join(segments) + (f":{template.verb}" if template.verb else "")
    assert Routes(binding(parse(each)) for each in (*others, text)).find("GET", path) is not None


def test_what_is_more_special_goes_first() -> None:
    texts = ["/v1/{rest=**}", "/v1/{a}/x", "/v1/b/{x}", "/v1/b/x", "/v1/b/x:go", "/v1/{a}/*/z"]
    routes = Routes(binding(parse(text)) for text in texts)
    paths = ["/v1/q/w/e", "/v1/a/x", "/v1/b/y", "/v1/b/x", "/v1/b/x:go", "/v1/b/x/z"]
    found = [routes.find("GET", path) for path in paths]
    assert [each[0].template.text if each else None for each in found] == texts


def test_a_method_and_any_method() -> None:
    routes = Routes([binding(parse("/a"), "*"), binding(parse("/a"), "POST"), binding(parse("/b"), "POST")])
    assert [found and found[0].method for found in map(routes.find, ["GET", "POST", "GET"], ["/a", "/a", "/b"])] == [
        "*",
        "POST",
        None,
    ]
