"""The schema as editors use it: taplo, which they stand on, takes good files and refuses bad ones."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "config/minimesh.schema.json"
PATIENCE = 60.0

TAPLO = Path(sys.executable).with_name("taplo")

pytestmark = pytest.mark.skipif(not TAPLO.exists(), reason="taplo is not installed: there is no wheel of it here")


def check(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TAPLO, "check", *words], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)


def test_good_files_pass(tmp_path: Path) -> None:
    good = [*ROOT.glob("examples/*/minimesh.toml"), ROOT / "config/minimesh.toml"]
    done = check(tmp_path, "--schema", SCHEMA.as_uri(), *good)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("timeout = 2", "anyOf"),
        ('timeout = "2"', "anyOf"),
        ('replicas = "two"', "anyOf"),
        ('profiles = "full"', "array"),
        ("timeouts = '2s'", "'timeouts' was unexpected"),
        ("retries = 1", "is not allowed"),
    ],
)
def test_bad_files_do_not(tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "minimesh.toml"
    file.write_text(f'version = 1\n[services.web]\nrun = "true"\n{line}\n')
    done = check(tmp_path, "--schema", SCHEMA.as_uri(), file)
    assert done.returncode == 1
    assert said in done.stderr
    assert f"{file}:4:" in done.stderr


def test_the_schema_is_found_by_the_first_line_and_by_the_settings_of_a_project(tmp_path: Path) -> None:
    text = 'version = 1\n[services.web]\nrun = "true"\ntimeout = 2\n'
    file = tmp_path / "minimesh.toml"
    file.write_text(text)
    assert check(tmp_path, file).returncode == 0, "nobody told it of a schema"
    shutil.copy(SCHEMA, tmp_path)
    file.write_text(f"#:schema ./{SCHEMA.name}\n{text}")
    assert check(tmp_path, file).returncode == 1
    file.write_text(text)
    rule = (ROOT / ".taplo.toml").read_text().replace("config/", "")
    (tmp_path / ".taplo.toml").write_text(rule)
    assert check(tmp_path).returncode == 1
