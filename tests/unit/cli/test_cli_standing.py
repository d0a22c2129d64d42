"""What `check` says is left open: each with the line that closes it, and nothing where all are closed."""

import os
from pathlib import Path

import pytest

from minimesh.cli import standing
from minimesh.cli.findings import Finding
from minimesh.control import attesting
from minimesh.spec import load

SERVICES = '[services.web]\nrun = "a"\n[services.orders]\nrun = "a"\n'


def found(tmp_path: Path, text: str) -> dict[str, Finding]:
    file = tmp_path / "minimesh.toml"
    file.write_text(f"version = 1\n{text}")
    return {each.name: each for each in standing.about_security(load(file, os.environ).project)}


@pytest.fixture(autouse=True)
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attesting, "AVAILABLE", True)


def test_standard_leaves_open_what_strict_closes(tmp_path: Path) -> None:
    standard = found(tmp_path, SERVICES)
    assert {name: each.status for name, each in standard.items()} == {
        "level": "ok",
        "calls": "open",
        "egress": "open",
        "attest": "open",
    }
    assert "web, orders" in standard["calls"].text
    assert all(each.help for each in standard.values() if each.status == "open")
    strict = found(tmp_path, f'[mesh]\nsecurity = "strict"\n{SERVICES}')
    assert {each.status for each in strict.values()} == {"ok"}


@pytest.mark.parametrize(
    ("key", "name"),
    [('authorization = "open"', "calls"), ('egress = "observe"', "egress"), ('attest = "off"', "attest")],
)
def test_what_is_opened_beside_strict_is_a_warning(tmp_path: Path, key: str, name: str) -> None:
    strict = found(tmp_path, f'[mesh]\nsecurity = "strict"\n{key}\n{SERVICES}')
    assert {each.name for each in strict.values() if each.status == "warn"} == {name}
    assert strict[name].text.endswith(', although security = "strict"')


@pytest.mark.parametrize(("key", "name"), [("authorization", "calls"), ("egress", "egress"), ("attest", "attest")])
def test_each_line_of_help_closes_what_it_is_told_for(tmp_path: Path, key: str, name: str) -> None:
    line = found(tmp_path, SERVICES)[name].help.partition(" in [mesh]")[0]
    assert line.startswith(f"{key} = ")
    assert found(tmp_path, f"[mesh]\n{line}\n{SERVICES}")[name].status == "ok"


def test_a_service_with_a_rule_is_closed_and_one_under_audit_is_told(tmp_path: Path) -> None:
    ruled = found(
        tmp_path,
        '[services.web]\nrun = "a"\nallow = ["gateway"]\n'
        '[services.orders]\nrun = "a"\nallow = [{ from = "gateway", audit = true }]\n',
    )
    assert ruled["calls"].text == (
        "whoever has an address of it may call orders: no `allow`, and authorization is open"
    )
    assert (ruled["orders"].status, ruled["orders"].text) == ("open", "rules that only record: minimesh.toml:7")


@pytest.mark.parametrize(
    ("gateway", "status"),
    [
        ('http = "0.0.0.0:7080"', "warn"),
        ('http = "0.0.0.0:7080"\nallow_ips = ["10.0.0.0/8"]', None),
        ('http = "0.0.0.0:7080"\nauth = "keys"', "ok"),
        ('http = "0.0.0.0:7080"\nauth = { use = ["keys"], missing = "anonymous" }', "warn"),
        ('http = "127.0.0.1:7080"', None),
        ('tcp = [{ listen = "0.0.0.0:15432", to = "web" }]', "warn"),
    ],
)
def test_a_gateway_beyond_this_machine(tmp_path: Path, gateway: str, status: str | None) -> None:
    routes = 'routes = [{ path = "/*", to = "orders" }]'
    told = found(tmp_path, f'[gateway]\n{gateway}\n{routes}\n[auth.keys]\nkeys = "x-api-key"\n{SERVICES}')
    assert (told["gateway"].status if "gateway" in told else None) == status


def test_where_the_system_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attesting, "AVAILABLE", False)
    assert "this system does not tell" in found(tmp_path, SERVICES)["attest"].text
