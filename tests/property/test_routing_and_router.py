"""What the commands tell of routes is what the data plane does with them."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.control.routing import forwarded, in_order, taken, verdicts
from minimesh.dataplane.router import Router
from minimesh.model.route import PathKind, PathMatch, Route

LABELS = st.sampled_from(["a", "b", "shop"])
HOSTS = st.one_of(
    st.none(),
    st.builds(".".join, st.lists(LABELS, min_size=1, max_size=3)),
    st.builds(lambda labels: "*." + ".".join(labels), st.lists(LABELS, min_size=1, max_size=2)),
)
SEGMENTS = st.lists(st.sampled_from(["x", "y", "xy"]), max_size=3)
PATHS = st.builds(lambda segments: "".join(f"/{segment}" for segment in segments), SEGMENTS)
MATCHES = st.one_of(
    st.builds(lambda path: PathMatch(PathKind.EXACT, path or "/"), PATHS),
    st.builds(lambda path: PathMatch(PathKind.PREFIX, path), PATHS),
    st.builds(lambda path: PathMatch(PathKind.PREFIX, path, grpc=True), PATHS),
    st.builds(lambda path: PathMatch(PathKind.EXACT, path or "/", grpc=True), PATHS),
    st.sampled_from([PathMatch(PathKind.REGEX, "^/x+"), PathMatch(PathKind.REGEX, "^/[xy]/")]),
)
ROUTES = st.lists(st.builds(lambda host, match, to: Route(f"s{to}", match, host), HOSTS, MATCHES, st.integers(0, 9)))


@given(ROUTES, st.builds(".".join, st.lists(LABELS, max_size=4)), PATHS, st.booleans())
def test_the_first_that_matches_is_what_the_router_finds(routes: list[Route], host: str, path: str, grpc: bool) -> None:
    path = path or "/"
    router = Router((route.host, route.path, route) for route in routes)
    assert taken(verdicts(routes, host, path, grpc)) is router.find(host.encode(), path.encode(), grpc)


@given(ROUTES)
def test_every_route_is_told_once_and_every_verdict_says_why(routes: list[Route]) -> None:
    assert sorted(map(id, in_order(routes))) == sorted(map(id, routes))
    assert all(verdict.why for verdict in verdicts(routes, "shop", "/x"))


def test_a_prefix_is_stripped_at_whole_segments() -> None:
    route = Route("a", PathMatch(PathKind.PREFIX, "/api"), strip_prefix="/api")
    assert [forwarded(route, path) for path in ("/api/x", "/api", "/apix")] == ["/x", "/", "/apix"]
