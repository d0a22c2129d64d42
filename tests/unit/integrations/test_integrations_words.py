"""The words of other tools, one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.integrations.composehealth import Check, check
from minimesh.integrations.composeports import Port, ports
from minimesh.integrations.durations import seconds, written
from minimesh.integrations.images import plain_port
from minimesh.integrations.listening import PORT, listening, takes_no_calls
from minimesh.integrations.naming import fit
from minimesh.integrations.variables import converted, in_shell, plain
from minimesh.spec.interpolate import interpolate
from minimesh.spec.names import RESERVED, name
from minimesh.spec.units import duration


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("gunicorn shop.wsgi", PORT),
        ("gunicorn -b 0.0.0.0:8000 shop.wsgi", 8000),
        ("gunicorn --bind=:8000 shop.wsgi", 8000),
        ("uvicorn app:app --port 9000", 9000),
        ("uvicorn app:app --reload", 8000),
        ("python -m http.server 8080", 8080),
        ("python3 -m http.server --bind 127.0.0.1 $PORT", PORT),
        ("python manage.py runserver", 8000),
        ("python manage.py runserver 0.0.0.0:8001", 8001),
        ("flask --app shop run -p 5001", 5001),
        ("flask --app shop run", 5000),
        ("php -S localhost:8002 -t public", 8002),
        ("bin/rails server", PORT),
        ("rails s -p 3001", 3001),
        ("next dev", PORT),
        ("next dev -p 3001", 3001),
        ("vite", 5173),
        ("vite --port 3000", 3000),
        ("vite build", None),
        ("PORT=4000 nodemon server.js", 4000),
        ("node server.js", None),
        ("./wait-for-it.sh db:5432 -- node server.js", None),
        ("celery -A shop worker -b redis://localhost:6379/0", None),
        ("celery -A shop worker -c 16", None),
        ("./serve -p 99999", None),
        ("./live --listen 0.0.0.0:${PORT:-9000}", PORT),
        ("node -e 'http.listen(process.env.PORT)'", PORT),
    ],
)
def test_the_port_of_a_command(command: str, port: int | None) -> None:
    assert listening(command) == port


def test_who_takes_no_calls() -> None:
    assert takes_no_calls("worker", "node index.js")
    assert takes_no_calls("css", "tailwindcss -i a -o b --watch")
    assert takes_no_calls("x", "bundle exec sidekiq")
    assert not takes_no_calls("api", "tsx watch src/index.ts")
    assert not takes_no_calls("web", "node --watch server.js")


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("plain", "plain"),
        ("$NAME", "${NAME:-}"),
        ("a${NAME}b", "a${NAME:-}b"),
        ("${NAME:-x}", "${NAME:-x}"),
        ("${NAME-x}", "${NAME:-x}"),
        ("${NAME:?say}", "${NAME:?say}"),
        ("${NAME?say $x {y}}", "${NAME:?say x y}}"),
        ("${A:-${B:-$C}}", "${A:-${B:-${C:-}}}"),
        ("$$NAME", "$NAME"),
        ("$${NAME}", "$${NAME}"),
        ("100$", "100$"),
        ("${open", "$${open"),
        ("${NAME:+x}", ""),
        ("${a.b}", ""),
        ("${NAME:-$${x}}", "${NAME:-}"),
    ],
)
def test_variables(theirs: str, ours: str) -> None:
    told: list[str] = []
    assert converted(theirs, told.append) == ours
    assert bool(told) == (ours == "" or "$${" in theirs.partition(":-")[2])


@given(st.text(st.sampled_from("${}:-?+A_b. $"), max_size=30))
def test_whatever_they_write_ours_can_be_filled(theirs: str) -> None:
    ours = converted(theirs, lambda _: None)
    if ":?" not in ours:
        parts = interpolate(ours, {})
        assert all(isinstance(part, str) for part in parts)
    assert "".join(map(str, interpolate(plain(theirs), {}))) == theirs


def test_a_command_keeps_its_variables() -> None:
    assert in_shell("serve $$PORT ${X:-1} $HOME $$") == "serve $PORT ${X:-1} $HOME $$"


@pytest.mark.parametrize(
    ("port", "meant"),
    [
        ("5432:5432", [Port(5432, "127.0.0.1:5432")]),
        ("5433:5432/tcp", [Port(5432, "127.0.0.1:5433")]),
        ("127.0.0.1:5433:5432", [Port(5432, "127.0.0.1:5433")]),
        ("192.168.0.9:5433:5432", [Port(5432, "192.168.0.9:5433")]),
        ("[::1]:5433:5432", [Port(5432, "[::1]:5433")]),
        ("0.0.0.0:5433:5432", [Port(5432, "127.0.0.1:5433")]),
        ("${DB_PORT:-5433}:${INSIDE:-5432}", [Port(5432, "127.0.0.1:${DB_PORT:-5433}")]),
        ("$DB_PORT:5432", [Port(5432, "")]),
        ("5432", [Port(5432, "")]),
        ("8000-8010:9000-9010", [Port(9000, "127.0.0.1:8000")]),
        ("53:53/udp", []),
        ("99999:99999", []),
        ("x", []),
        ({"target": 80, "published": "8080"}, [Port(80, "127.0.0.1:8080")]),
        ({"target": 80, "host_ip": "::1", "published": 8080}, [Port(80, "[::1]:8080")]),
        ({"target": 80, "protocol": "udp"}, []),
    ],
)
def test_ports(port: object, meant: list[Port]) -> None:
    assert ports({"ports": [port]}) == meant


@pytest.mark.parametrize(
    ("test", "meant"),
    [
        (["CMD", "curl", "-f", "http://localhost:80/up"], ("80", "/up")),
        (["CMD-SHELL", "curl -f localhost:8000 || exit 1"], ("8000", "/")),
        ("wget -q --spider http://127.0.0.1/ping || exit 1;", ("", "/ping")),
        ("curl -f http://localhost:$$PORT/", ("$$PORT", "/")),
        ("curl http://other:80/", ("", "")),
        ("curl localhost:80 && test -f x", ("", "")),
        ("curl 'unclosed", ("", "")),
        ("pg_isready", ("", "")),
    ],
)
def test_healthchecks(test: object, meant: tuple[str, str]) -> None:
    found = check({"test": test})
    assert isinstance(found, Check)
    assert (found.port, found.path) == meant


@pytest.mark.parametrize(
    "healthcheck", [None, {}, {"test": ["NONE"]}, {"test": "x", "disable": "true"}, 3, {"test": [[]]}]
)
def test_no_healthcheck(healthcheck: object) -> None:
    assert check(healthcheck) is None


@given(st.floats(0.0005, 10_000_000))
def test_durations_are_ones(length: float) -> None:
    assert duration(written(length)) == pytest.approx(length, rel=0.5, abs=0.001)


def test_lengths_of_time() -> None:
    assert [seconds(text) for text in ("1m30s", "500ms", "2h", "1d", "90", "", "s")] == [
        90,
        0.5,
        7200,
        86400,
        None,
        None,
        None,
    ]
    assert [written(length) for length in (90, 0.5, 1.5)] == ["90s", "500ms", "1500ms"]


def test_images() -> None:
    images = ("postgres:16", "docker.io/library/redis@sha256:00", "nginx", "")
    assert [plain_port(image) for image in images] == [5432, 6379, None, None]


@given(st.lists(st.text(max_size=80)))
def test_every_name_fits_and_is_the_only_one(names: list[str]) -> None:
    fitted = fit(names)
    assert list(fitted) == list(dict.fromkeys(names))
    assert len(set(fitted.values())) == len(fitted)
    for final in fitted.values():
        assert name(final) == final
        assert final not in RESERVED


def test_a_name_that_fits_is_kept() -> None:
    assert fit(["A_B", "a-b", "gateway", "a.b"]) == {
        "A_B": "a-b-2",
        "a-b": "a-b",
        "gateway": "my-gateway",
        "a.b": "a-b-3",
    }
