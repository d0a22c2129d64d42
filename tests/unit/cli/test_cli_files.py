"""-f, --set and --profile, where a command reads the files of a project."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]

BASE = """\
version = 1
[services.web]
run = "a"
port = 3000
depends_on = ["api"]
[services.api]
run = "a"
[services.debug]
run = "a"
profiles = ["full"]
"""


@pytest.fixture
def files(project: Path) -> Path:
    (project / "minimesh.toml").write_text(BASE)
    (project / "staging.toml").write_text("[services.web]\nport = 3001\n")
    (project / "more.toml").write_text('[services.extra]\nrun = "a"\n')
    return project


def ports(out: str) -> dict[str, int | None]:
    return {each["name"]: each["port"] for each in json.loads(out)}


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--dry-run", "-f", "minimesh.toml", "-f", "staging.toml", "-f", "more.toml"],
        ["-f", "minimesh.toml", "up", "-f", "staging.toml", "--dry-run", "--file", "more.toml"],
        ["-f", "minimesh.toml", "--file=staging.toml", "-f", "more.toml", "up", "--dry-run"],
    ],
)
def test_files_merge_in_the_order_of_f_before_and_after_the_verb(
    minimesh: Command, files: Path, words: list[str]
) -> None:
    code, out, err = minimesh(*words, "--json")
    assert (code, err) == (0, "")
    assert ports(out) == {"api": None, "web": 3001, "extra": None}


def test_the_first_f_decides_where_the_project_is(minimesh: Command, files: Path) -> None:
    (files / "next").mkdir()
    (files / "next/app.toml").write_text("version = 1\n")
    code, out, _ = minimesh("validate", "-f", "next/app.toml", "-f", "more.toml", "--json")
    assert code == 0
    assert json.loads(out)["file"] == str(files / "next/app.toml")
    assert json.loads(out)["services"] == ["extra"]


def test_a_link_stands_for_a_file_of_its_own_folder_however_it_is_named(minimesh: Command, files: Path) -> None:
    (files / "copy").mkdir()
    (files / "copy/minimesh.toml").symlink_to("../minimesh.toml")
    for words in (["-p", "copy"], ["-f", "copy/minimesh.toml"]):
        assert json.loads(minimesh("validate", "--json", *words)[1])["file"] == str(files / "copy/minimesh.toml")
        assert f"no mesh is running in {files / 'copy'}\n" in minimesh("ps", *words)[2]


def test_the_variable_is_the_first_only_where_there_is_no_f(
    minimesh: Command, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "other.toml").write_text('version = 1\n[services.other]\nrun = "a"\n')
    monkeypatch.setenv("MINIMESH_FILE", "other.toml")
    assert json.loads(minimesh("validate", "--json")[1])["services"] == ["other"]
    assert json.loads(minimesh("validate", "-f", "minimesh.toml", "--json")[1])["services"] == ["web", "api", "debug"]


def test_a_further_file_must_be_there(minimesh: Command, files: Path) -> None:
    code, out, err = minimesh("validate", "-f", "minimesh.toml", "-f", "stagng.toml")
    assert (code, out, err) == (2, "", "error[MM412]: there is no file stagng.toml\n")


def test_set_changes_a_key_for_this_run(minimesh: Command, files: Path) -> None:
    code, out, _ = minimesh("up", "--dry-run", "--json", "--set", "services.web.port=3002", "--set=services.api.port=1")
    assert code == 0
    assert ports(out) == {"api": 1, "web": 3002}


@pytest.mark.parametrize("verb", [["up", "--dry-run"], ["validate"], ["up", "-d"], ["up"]])
def test_mistakes_in_set_are_told_with_the_option(minimesh: Command, files: Path, verb: list[str]) -> None:
    code, out, err = minimesh(*verb, "--set", "services.wbe.port=3000", "--set", "gateway.htp=1")
    assert (code, out) == (2, "")
    assert err == (
        "error[MM008]: there is no service `wbe`; did you mean `web`?\n"
        "  --> --set services.wbe.port=3000\n"
        "  help: --set services.web.port=3000\n"
        "error[MM002]: unknown key `htp` in [gateway]; did you mean `http`?\n"
        "  --> --set gateway.htp=1\n"
        "  help: --set gateway.http=1\n"
    )


def test_three_mistakes_in_three_files_are_three_errors(minimesh: Command, files: Path) -> None:
    (files / "minimesh.toml").write_text(f'{BASE}replicas = "2"\n')
    (files / "minimesh.local.toml").write_text("[services.web]\nprot = 1\n")
    code, _, err = minimesh("validate", "-f", "minimesh.toml", "-f", "staging.toml", "--set", "services.api.port=x")
    assert code == 2
    assert [line.strip() for line in err.splitlines() if "-->" in line] == [
        "--> minimesh.toml:11:12",
        "--> minimesh.local.toml:2:1",
        "--> --set services.api.port=x",
    ]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["api", "web"]),
        (["--profile", "full"], ["api", "web", "debug"]),
        (["debug"], ["debug"]),
        (["api", "--profile", "full"], ["api"]),
    ],
)
def test_profiles(minimesh: Command, files: Path, words: list[str], names: list[str]) -> None:
    code, out, _ = minimesh("up", "--dry-run", "--json", *words)
    assert code == 0
    assert [each["name"] for each in json.loads(out)] == names


@pytest.mark.parametrize("verb", [["up", "--dry-run"], ["up"], ["up", "-d"]])
def test_an_unknown_profile_is_told(minimesh: Command, files: Path, verb: list[str]) -> None:
    code, out, err = minimesh(*verb, "--profile", "ful")
    assert (code, out) == (2, "")
    assert err == "error[MM403]: no service has the profile 'ful'; did you mean full?\n  profiles: full\n"


@pytest.mark.parametrize("verb", [["up", "--dry-run"], ["up"], ["up", "-d"]])
def test_who_needs_what_is_off_is_told_before_anything_starts(minimesh: Command, files: Path, verb: list[str]) -> None:
    (files / "minimesh.local.toml").write_text('[services.api]\ndepends_on = ["debug"]\n')
    code, out, err = minimesh(*verb)
    assert (code, out) == (2, "")
    assert err.endswith(
        "error[MM021]: api depends on debug, which is started only with the profile `full`\n"
        "  --> minimesh.local.toml:2:15\n"
        "  help: minimesh up --profile full\n"
    )


# ---- too many mistakes, and no files


def test_of_very_many_mistakes_the_first_are_shown_and_the_rest_is_counted(minimesh: Command, files: Path) -> None:
    with (files / "minimesh.toml").open("a") as file:
        file.write("".join(f"key{n} = {n}\n" for n in range(2_000)))
    code, _, err = minimesh("validate")
    assert code == 2
    assert err.count("error[MM002]") == 20
    assert "`key19`" in err
    assert err.endswith("\nand 1,980 more; all of them: minimesh validate -o json\n")
    assert len(json.loads(minimesh("validate", "-o", "json")[2])["errors"]) == 2_000


def test_an_error_is_shown_before_very_many_warnings(minimesh: Command, files: Path) -> None:
    patterns = ", ".join(f'"no{n}/*.toml"' for n in range(30))
    (files / "minimesh.toml").write_text(f'version = 1\ninclude = [{patterns}]\n[services.web]\nrun = "a"\nport = 0\n')
    _, _, err = minimesh("validate")
    assert err.count("warning[MM013]") == 19
    assert "error[MM010]" in err
    assert "and 11 more;" in err
    (files / "minimesh.toml").write_text(f'version = 1\ninclude = [{patterns}]\n[services.web]\nrun = "a"\n')
    code, out, err = minimesh("validate")
    assert (code, err.count("warning[MM013]")) == (0, 20)
    assert "and 10 more;" in err
    assert "30 warnings" in out


def test_what_is_no_file_is_called_what_it_is(minimesh: Command, project: Path) -> None:
    (project / "loop").symlink_to("loop")
    (project / "shop").mkdir()
    (project / "shop" / "minimesh.toml").write_text(BASE)
    os.mkfifo(project / "pipe")
    assert "MM412]: there is no file loop" in minimesh("validate", "-f", "loop")[2]
    assert "MM412]: pipe is a pipe or a device, not a file" in minimesh("validate", "-f", "pipe")[2]
    folder = minimesh("validate", "-f", "shop")[2]
    assert "MM412]: shop is a folder, not a file" in folder
    assert "help: -f shop/minimesh.toml" in folder


def test_of_very_many_profiles_some_are_named(minimesh: Command, files: Path) -> None:
    with (files / "minimesh.toml").open("a") as file:
        file.write("".join(f'[services.s{n}]\nrun = "a"\nprofiles = ["p{n}"]\n' for n in range(1000)))
    _, _, err = minimesh("up", "--dry-run", "--profile", "p99x")
    assert "did you mean p99?" in err
    assert "and 981 more" in err
