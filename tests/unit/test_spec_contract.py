"""Every key of the format is either built or says by its name that it is not; and so is each short form."""

from collections import Counter
from pathlib import Path

import pytest

from minimesh.spec import Problem, SpecError, load
from minimesh.spec.positions import Positions

EVERYTHING = Path(__file__).parent / "contract/everything.toml"

NOT_BUILT = """
defaults.retries gateways slo inspector peers store quotas telemetry.prometheus telemetry.otlp
gateway.https
gateway.routes.method gateway.routes.header gateway.routes.query gateway.routes.claim
gateway.routes.request_headers gateway.routes.response_headers
gateway.routes.rewrite gateway.routes.rewrite_host gateway.routes.redirect gateway.routes.respond
services.web.ports services.cache.image services.queue.container
services.orders.balance services.orders.timeout.try services.orders.retries
services.orders.idempotent services.orders.breaker.failures services.orders.breaker.eject
services.orders.breaker.adaptive services.orders.breaker.probe services.orders.breaker.slow_start
services.orders.fallback services.orders.mirror
services.orders.request_headers services.orders.response_headers services.orders.rate_limits
services.orders.ceiling services.orders.quotas services.orders.faults
services.orders.filters services.orders.version services.orders.sticky services.orders.weight
services.orders.when services.orders.versions services.orders.routes
"""

HASH = "$2y$05$" + "a" * 53
USERS = "[auth.users]\njwt = { dev = true }\n"
SERVICE = '[services.web]\nrun = "a"\n'
ORDERS = '[services.orders]\nrun = "a"\n'
BUILT = [
    'include = ["a.toml", "b/**/*.toml"]',
    '[mesh]\nhop = "memory"',
    '[mesh]\nsecurity = "strict"\nauthorization = "open"',
    '[identity]\nca = { sign = ["step", "ca", "sign", "-", "-"] }',
    '[identity]\nca = { cert = "ca.pem", key = "ca.key" }',
    '[gateway]\ntcp = [{ listen = 15432, to = "web" }, { listen = 15443, sni = "*.a.test", to = "web" }]\n' + SERVICE,
    '[gateway]\nhttp = "127.0.0.1:7080"',
    '[[gateway.routes]]\npath = "~^/v[0-9]+/"\nto = "web"\n' + SERVICE,
    '[gateway]\ntrusted_proxies = ["10.0.0.0/8", "::1"]\nallow_ips = ["127.0.0.1"]',
    '[[gateway.routes]]\ncors = ["*"]\nto = "web"\n' + SERVICE,
    '[[gateway.routes]]\ncors = { origins = ["https://*.a.test"], credentials = true }\nto = "web"\n' + SERVICE,
    USERS + '[gateway]\nauth = "users"',
    USERS + '[gateway]\nauth = ["users"]',
    USERS + '[gateway]\nauth = "off"',
    USERS
    + '[gateway]\nauth = { use = "users", missing = "anonymous" }\n[[gateway.routes]]\nauth = "off"\nto = "web"\n'
    + SERVICE,
    USERS + SERVICE + 'auth = "users"',
    USERS + '[defaults]\nauth = "users"\n' + SERVICE + 'auth = "off"',
    '[auth.users]\njwt = { issuer = "a", jwks = "https://a.test/keys", audience = ["b", "c"] }',
    '[auth.users]\njwt = { dev = true, copy = { X-User = "sub" } }',
    '[auth.users]\njwt = { issuer = "a", jwks = "http://web/keys", algorithms = ["EdDSA"], leeway = "0s" }\n' + SERVICE,
    '[auth.partners]\nkeys = "X-Key"\n[auth.more]\nkeys = {}',
    '[auth.robots]\nkeys = { header = "authorization", pass_on = true }',
    '[auth.staff]\nbasic = "staff.htpasswd"\n[auth.more]\nbasic = { users = "staff.htpasswd", realm = "shop" }',
    f'[auth.staff]\nbasic = {{ users = {{ ann = "{HASH}" }} }}',
    '[auth.sso]\nforward = "http://localhost:4180/verify?a=b"',
    '[auth.sso]\nforward = { url = "http://web/verify", copy = ["x-user"], timeout = "2s" }\n' + SERVICE,
    '[[gateway.routes]]\npath = "/exact"\nto = "web"\n' + SERVICE,
    '[[gateway.routes]]\ngrpc = "shop.Orders/List"\nto = "web"\n' + SERVICE,
    *(
        SERVICE + keys
        for keys in (
            'env_file = ".env?"',
            'port = "none"',
            "ready = { tcp = true }",
            "ready = { grpc = true }",
            'ready = { grpc = "shop.Orders" }',
            'ready = "/healthz"',
            'ready = { log = "listening" }',
            'ready = { exec = "true" }',
            'restart = "no"',
            'restart = "on-failure"',
            'restart = "always"',
            'stop = "10s"',
            'watch = ["web/**/*.py"]',
            'watch = { paths = ["a"], action = "signal:HUP" }',
            "replicas = 2",
            'transcode = "reflection"',
            'transcode = "off"',
            'timeout = "2s"',
            'timeout = "off"',
            'protocol = "tcp"',
            'protocol = "tcp"\ntimeout = { idle = "1h" }',
            'protocol = "udp"',
            'protocol = "udp"\ntimeout = { idle = "5s" }\nready = { log = "up" }',
            'timeout = { idle = "off" }',
            'allow = ["gateway"]',
            'allow = [{ from = "gateway", header = { x-a = ["1", "~^v"] }, claim = { realm = { roles = ["a"] } } }]',
            "deny = [{}]",
            'deny = [{ hours = "22:00-06:00", timezone = "Europe/Zurich", attested = false, audit = true }]',
            'breaker = "off"',
            "breaker = { requests = 16 }",
            'env = { A = "${HOME:-x}", B = "$${literal}", C = "${self.port}" }',
            'depends_on = ["orders"]\n' + ORDERS,
            'depends_on = { orders = "started" }\n' + ORDERS,
            'depends_on = { seed = "completed" }\n[tasks.seed]\nrun = "a"',
        )
    ),
    '[services.db]\naddress = "127.0.0.1:9000"',
    '[services.db]\naddress = ["10.0.0.1:80", "10.0.0.2:80"]',
    '[services.db]\naddress = "unix:/run/pay.sock"',
    '[services.web]\naddress = "https://payments.example.test"',
    '[services.web]\naddress = { at = ["https://10.0.0.5:8443"], name = "payments.example.test" }',
    '[mesh]\negress = "registered"\nintercept = "proxy"\n[tasks.seed]\nrun = "a"\negress = ["10.1.0.0/16:443"]',
    '[tasks.seed]\nrun = "a"\nwhen = "always"',
    '[tasks.seed]\nrun = "a"\nwhen = "once"',
    '[tasks.seed]\nrun = "a"\nwhen = ["once", "changed:a/**", "changed:b"]',
    '[telemetry]\naccess_log = "off"',
    '[telemetry]\naccess_log = { path = "a.log", format = "text" }',
]
LATER = [
    '[mesh]\nhop = "mtls"',
    '[mesh]\nintercept = "netns"',
    '[[gateway.routes]]\nto = "web"\ntimeout = "off"\n' + SERVICE,
    '[[gateway.routes]]\nto = { web = "90%", "web@v2" = "10%" }\n' + SERVICE,
    '[[gateway.routes]]\nto = "web@v2"\n' + SERVICE,
    *(
        SERVICE + keys
        for keys in (
            "retries = 1",
            'retries = "off"',
            'breaker = { probe = "off" }',
            'balance = { hash = "header:x-user" }',
            'fallback = { recorded = "1h" }',
            'ceiling = { limit = "100 per sec" }',
            'env = { A = "${web.metrics.url}" }',
            'calls = ["orders@v2"]\n' + ORDERS,
        )
    ),
    '[services.db]\nimage = "postgres:16"\nport = 5432',
    '[services.db]\ncontainer = "compose:db"',
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("web", "services", "b"):
        (tmp_path / folder).mkdir()
    for file in ("a.toml", "b/b.toml", "services/none.toml"):
        (tmp_path / file).write_text("")
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "staff.htpasswd").write_text("")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "ca.key").touch(0o600)
    (tmp_path / "ca.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    return tmp_path


def problems(root: Path, text: str) -> tuple[Problem, ...]:
    file = root / "minimesh.toml"
    file.write_text(text)
    try:
        return load(file, {}).warnings
    except SpecError as error:
        return error.problems


def test_everything_is_built_or_says_that_it_is_not(root: Path) -> None:
    text = EVERYTHING.read_text()
    positions = Positions(text)
    paths = {
        positions.line_and_column(positions.key(path).start): ".".join(part for part in path if isinstance(part, str))
        for path in positions
        if isinstance(path[-1], str)
    }
    told = problems(root, text)
    assert [problem for problem in told if problem.code != "MM006"] == []
    refused = [paths[problem.where.line, problem.where.column] for problem in told]
    assert Counter(refused) == Counter(NOT_BUILT.split())
    for problem, path in zip(told, refused, strict=True):
        assert f"`{path.rpartition('.')[2]}`" in problem.message
        assert "part of minimesh.toml but not built yet" in problem.message


@pytest.mark.parametrize("text", BUILT)
def test_short_forms_that_are_built(root: Path, text: str) -> None:
    assert problems(root, f"version = 1\n{text}\n") == ()


@pytest.mark.parametrize("text", LATER)
def test_short_forms_that_are_not(root: Path, text: str) -> None:
    told = problems(root, f"version = 1\n{text}\n")
    assert [problem.code for problem in told] == ["MM006"]
    assert "not built yet" in told[0].message
