"""Tokens of development at a gateway that strangers reach."""

from pathlib import Path

import pytest

from minimesh.cli.devtokens import dev_at_the_edge
from minimesh.spec import load


@pytest.mark.parametrize(
    ("gateway", "found"),
    [
        ('http = "0.0.0.0:7080"\nauth = "users"', ["users"]),
        ('http = "0.0.0.0:7080"\nauth = "partners"\nroutes = [{ to = "web", auth = "users" }]', ["users"]),
        ('http = "0.0.0.0:7080"\nauth = "partners"', []),
        ('http = "127.0.0.1:7080"\nauth = "users"', []),
        ('http = "[::1]:7080"\nauth = "users"', []),
        ('auth = "users"', []),
    ],
)
def test_who_takes_them_from_strangers(gateway: str, found: list[str], tmp_path: Path) -> None:
    file = tmp_path / "minimesh.toml"
    providers = '[auth.users]\njwt = { dev = true }\n[auth.partners]\nkeys = "x-api-key"\n'
    file.write_text(f'version = 1\n{providers}[gateway]\n{gateway}\n[services.web]\nrun = "true"\n')
    assert list(dev_at_the_edge(load(file, {}).project)) == found
