"""The schema, the reference file and the table of keys: what is on disk, and whether it is true."""

import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # has no types

from minimesh.spec import load
from minimesh.spec.entries import Entry, entries, example, limits
from minimesh.spec.jsonschema import document
from minimesh.spec.publish import published
from minimesh.spec.reference import WIDTH, reference
from tests.protos import LIBRARY

ROOT = Path(__file__).parents[2]
GOLDEN = sorted((ROOT / "tests/golden/spec").glob("*.txt"))
SCHEMA = Draft7Validator(document())
# What a schema can know of: unknown keys, units, types, what is not built.
KNOWABLE = {"MM002", "MM004", "MM005", "MM006"}
BUILT = [entry for entry in entries() if entry.key]


@pytest.mark.parametrize("file", published(ROOT), ids=lambda file: file.name)
def test_what_is_on_disk_is_what_the_tables_say(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == published(ROOT)[file], "run `make config` and look at the difference"


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(document())


def test_the_reference_file_is_a_project_as_it_is_and_with_every_key_set(tmp_path: Path) -> None:
    text = reference()
    every = re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)
    (tmp_path / "api.pb").write_bytes(LIBRARY)
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    (tmp_path / "users.htpasswd").write_text("")
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    (tmp_path / "ca.key").touch(0o600)
    (tmp_path / "ca.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    assert max(map(len, text.splitlines())) <= WIDTH
    for version in (text, every):
        file = tmp_path / "minimesh.toml"
        file.write_text(version, encoding="utf-8")
        assert load(file, {}).warnings == ()
        assert SCHEMA.is_valid(tomllib.loads(version))
    for entry in BUILT:
        assert re.search(rf"^#?(?: or: )?(?:[\w.]+\.)?{entry.name}\b|\b{entry.name}\b.*[\]}}]$", text, re.MULTILINE), (
            entry
        )
    for entry in entries():
        assert entry.key or re.search(rf"\b{entry.name}\b", text), entry


@pytest.mark.parametrize("file", [*ROOT.glob("examples/*/minimesh.toml")], ids=lambda file: file.parent.name)
def test_examples_pass(file: Path) -> None:
    SCHEMA.validate(tomllib.loads(file.read_text()))


@pytest.mark.parametrize("entry", BUILT, ids=lambda entry: entry.dotted)
def test_the_example_of_each_key_passes(entry: Entry) -> None:
    text = example(entry)
    head = "" if entry.name == "version" else "version = 1\n"
    beside = {
        "[[gateway.routes]]": ['to = "web"'],
        "[[gateway.tcp]]": ['to = "db"', "listen = 15432"],
        "[tasks.migrate]": ['run = "true"'],
    }
    header, _, pair = text.rpartition("\n")
    others = [other for other in beside.get(header, ()) if not pair.startswith(other.partition(" ")[0])]
    lines = [header, pair, *others]
    SCHEMA.validate(tomllib.loads(head + "\n".join(lines)))
    assert limits(entry.key.kind) is not None if entry.key else False


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda file: file.stem)
def test_bad_files_are_refused_where_a_schema_can_know(golden: Path) -> None:
    text, _, said = golden.read_text(encoding="utf-8").partition("=" * 40 + "\n")
    if "\n#>> " not in text and KNOWABLE & set(re.findall(r"^error\[(MM\d+)\]: (?!.*\$\{)", said, re.MULTILINE)):
        assert not SCHEMA.is_valid(tomllib.loads(text.lstrip("\ufeff")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 2",
        "version = true",
        "version = 1\nservices = []",
        "version = 1\n[services.Web]\nrun = 'x'",
        "version = 1\n[services.web]\nrun = []",
        "version = 1\n[services.web]\nrun = 'x'\naddress = '127.0.0.1:1'",
        "version = 1\n[services.web]\nrun = 'x'\nport = 0",
        "version = 1\n[services.web]\nrun = 'x'\nport = '3000'",
        "version = 1\n[services.web]\nrun = 'x'\ntimeout = 2",
        "version = 1\n[services.web]\nrun = 'x'\ntimeout = '2'",
        "version = 1\n[services.web]\nrun = 'x'\ntimeout = { request = '2 s' }",
        "version = 1\n[services.web]\nrun = 'x'\ntimeouts = '2s'",
        "version = 1\n[services.web]\nrun = 'x'\nready = { http = '/', tcp = true }",
        "version = 1\n[services.web]\nrun = 'x'\nrestart = 'sometimes'",
        "version = 1\n[services.web]\nrun = 'x'\nretries = 1",
        "version = 1\n[services.web]\nrun = 'x'\nenv = { 'a-b' = 'c' }",
        "version = 1\n[services.web]\naddress = '127.0.0.1 9000'",
        "version = 1\n[defaults]\nretry = 1",
        "version = 1\n[gateway]\nhttp = 'port'",
        "version = 1\n[[gateway.routes]]\npath = 'api'\nto = 'web'",
        "version = 1\n[[gateway.routes]]\npath = '/api'",
        "version = 1\n[services.web]\nreplicas = { min = 1, most = 2 }",
        "version = 1\n[services.web]\nprofiles = 'full'",
        "version = 1\n[services.web]\nwatch = '*.py'",
        "version = 1\n[tasks.seed]\nrun = 'x'\nwhen = 'sometimes'",
        "version = 1\ninclude = 'more.toml'",
        "version = 1\n[logs]\nmax_size = '50MB'",
    ],
)
def test_wrong_documents_are_refused(text: str) -> None:
    assert not SCHEMA.is_valid(tomllib.loads(text))


def test_a_value_may_come_from_the_environment() -> None:
    text = "version = 1\n[services.web]\nrun = 'x'\ntimeout = '${T:-2s}'\nrestart = '${POLICY}'\nready = '/${P}'"
    SCHEMA.validate(tomllib.loads(text))


def test_what_has_to_stand_somewhere_may_stand_in_another_table_or_file(tmp_path: Path) -> None:
    first = """version = 1
include = ["more.toml"]
[defaults]
watch = ["**/*.py"]
[services.web]
run = "true"
watch = { ignore = ["tests/**"] }
[tasks.seed]
when = "once"
"""
    more = "version = 1\n[tasks.seed]\nrun = 'true'\n"
    (tmp_path / "minimesh.toml").write_text(first)
    (tmp_path / "more.toml").write_text(more)
    load(tmp_path / "minimesh.toml", {})
    for text in (first, more):
        SCHEMA.validate(tomllib.loads(text))
