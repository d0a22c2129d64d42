"""`config`: what is in force, where it stands, and what is kept to itself."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]

FILE = """\
version = 1
[defaults]
timeout = { request = "15s", idle = "1m" }
[services.web]
run = "echo ${HOME} $PORT"
env = { "A" = "${WORD} ${API_TOKEN}", DB_PASSWORD = "hunter2", API_KEY = "${API_TOKEN}", EMPTY_TOKEN = "", PLAIN = "x" }
timeout = "2s"
depends_on = { db = "ready" }
[services.db]
address = "127.0.0.1:5432"
[services.mail]
run = ["mail", "smtp://me:s3cret@mail.test"]
"""


@pytest.fixture
def file(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORD", 'he said "${x}"')
    monkeypatch.setenv("API_TOKEN", "t0ken")
    at = project / "minimesh.toml"
    at.write_text(FILE)
    return at


def test_as_written(minimesh: Command, file: Path) -> None:
    code, out, err = minimesh("config", "--reveal")
    assert (code, err) == (0, "")
    assert tomllib.loads(out) == tomllib.loads(FILE)


def test_what_is_in_force_with_its_place(minimesh: Command, file: Path) -> None:
    code, out, _ = minimesh("config", "--resolved", "--where")
    web = out.partition("[services.web]")[2].partition("\n[")[0]
    lines = {line.partition(" = ")[0]: line for line in web.splitlines()}
    assert code == 0
    assert lines["timeout.request"].split() == ["timeout.request", "=", '"2s"', "#", "minimesh.toml:7"]
    assert lines["timeout.idle"].endswith("# [defaults] minimesh.toml:3")
    assert lines["timeout.connect"].endswith("# default")
    assert lines["run"].startswith('run = "echo ${HOME} $PORT"')
    assert "# port is left out: a free one as $PORT" in out
    assert "[defaults]" not in tomllib.loads(out)


def test_secrets_are_masked_and_shown_on_demand(minimesh: Command, file: Path) -> None:
    masked = minimesh("config", "--resolved")[1]
    env = tomllib.loads(masked)["services"]["web"]["env"]
    assert env == {
        "A": 'he said "$${x}" ${API_TOKEN}',
        "DB_PASSWORD": "••••••",
        "API_KEY": "${API_TOKEN}",
        "EMPTY_TOKEN": "",
        "PLAIN": "x",
    }
    assert "smtp://me:••••••@mail.test" in masked
    shown = minimesh("config", "--resolved", "--reveal")[1]
    assert tomllib.loads(shown)["services"]["web"]["env"]["A"] == 'he said "$${x}" t0ken'
    assert "s3cret" in shown
    assert "hunter2" in shown
    for words in (["config"], ["config", "-o", "json"], ["describe", "web"], ["describe", "web", "--json"]):
        assert "hunter2" not in minimesh(*words)[1]


def test_json_has_the_document_and_each_value_with_its_place(minimesh: Command, file: Path) -> None:
    code, out, _ = minimesh("config", "--resolved", "--json")
    whole = json.loads(out)
    assert (code, whole["file"]) == (0, str(file))
    assert whole["config"]["services"]["db"]["ready"]["tcp"] is True
    values = {value["key"]: value for value in whole["values"]}
    assert values["services.web.depends_on"]["value"] == {"db": "ready"}
    assert values["services.web.timeout.idle"] == {
        "key": "services.web.timeout.idle",
        "value": "1m",
        "where": "minimesh.toml:3",
        "file": "minimesh.toml",
        "line": 3,
        "source": "defaults",
    }
    assert values["services.web.timeout.connect"]["where"] is None
    assert "services.db.restart.policy" not in values, "nobody starts it"


def test_the_format_needs_no_file(minimesh: Command, project: Path) -> None:
    assert json.loads(minimesh("config", "--schema")[1])["title"] == "minimesh.toml"
    assert tomllib.loads(minimesh("config", "--reference")[1])["version"] == 1
    assert minimesh("config", "--schema", "--where")[0] == 2
    assert minimesh("config")[0] == 2


def test_a_bad_file_is_told_as_validate_tells_it(minimesh: Command, project: Path) -> None:
    (project / "minimesh.toml").write_text("version = 1\n[services.web]\nrun = 'x'\ntimeout = 3\n")
    assert minimesh("config", "--resolved") == minimesh("validate") == minimesh("describe", "web")
    assert minimesh("config")[0] == 2


def test_several_files_become_one(minimesh: Command, project: Path) -> None:
    """Paths count from the folder of the file they stand in; in the one document, from that of the project."""
    (project / "parts" / "web").mkdir(parents=True)
    (project / "minimesh.toml").write_text('version = 1\ninclude = ["parts/*.toml"]\n[services.api]\nrun = "api"\n')
    (project / "parts" / "web.toml").write_text(
        """\
[services.web]
run = "web"
env_file = ["web.env?"]
watch = { paths = ["web/*.py"], ignore = ["web/x.py"] }
[services.site]
run = "site"
cwd = "web"
env_file = "site.env?"
[tasks.seed]
run = "seed"
when = ["changed:*.sql"]
"""
    )
    (project / "minimesh.local.toml").write_text("[services.api]\nport = 3000\n")
    out = minimesh("config", "--resolved", "--where", "--set", "services.api.replicas=1")[1]
    assert "port = 3000" in out
    assert "# minimesh.local.toml:2" in out
    assert "# --set services.api.replicas=1" in out
    whole = tomllib.loads(out)
    assert "include" not in whole
    web, site = whole["services"]["web"], whole["services"]["site"]
    assert (web["cwd"], web["env_file"]) == ("parts", ["parts/web.env?"])
    assert web["watch"] == {"paths": ["parts/web/*.py"], "ignore": ["parts/web/x.py"], "action": "restart"}
    assert (site["cwd"], site["env_file"]) == ("parts/web", "parts/site.env?")
    assert whole["tasks"]["seed"]["when"] == ["changed:parts/*.sql"]
    (project / "one.toml").write_text(out)
    (project / "minimesh.local.toml").unlink()
    assert tomllib.loads(minimesh("config", "--resolved", "-f", "one.toml")[1]) == whole
    assert tomllib.loads(minimesh("config")[1])["services"]["web"]["watch"]["paths"] == ["parts/web/*.py"]
