"""Who is started, by name and by profile."""

from pathlib import Path

import pytest

from minimesh.model.project import Project
from minimesh.spec import SpecError, known_profiles, load, render, starting

FILE = """\
version = 1
[services.web]
run = "a"
depends_on = ["api", "seed"]
[services.api]
run = "a"
[services.debug]
run = "a"
profiles = ["full", "debug"]
depends_on = ["tracer"]
[services.tracer]
run = "a"
profiles = ["full", "debug"]
[services.mail]
run = "a"
profiles = ["full"]
[services.spy]
run = "a"
profiles = ["debug"]
depends_on = { tracer = "started", mail = "ready" }
[tasks.seed]
run = "a"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "minimesh.toml").write_text(FILE)
    return load(tmp_path / "minimesh.toml", {}).project


@pytest.mark.parametrize(
    ("names", "profiles", "started"),
    [
        ((), (), "seed api web"),
        ((), ("full",), "seed api web tracer debug mail"),
        ((), ("full", "debug"), "seed api web tracer debug mail spy"),
        (("api",), ("full",), "api"),
        (("web",), (), "api seed web"),
        (("tracer",), (), "tracer"),
        (("debug", "tracer"), (), "tracer debug"),
        (("debug",), ("debug",), "tracer debug"),
    ],
)
def test_who_is_started_and_in_which_order(
    project: Project, names: tuple[str, ...], profiles: tuple[str, ...], started: str
) -> None:
    assert starting(project, names, profiles) == tuple(started.split())


def test_who_needs_what_is_off_is_told_with_the_line_and_the_way(project: Project) -> None:
    with pytest.raises(SpecError) as caught:
        starting(project, (), ("debug",))
    assert render(caught.value.problems[0]) == (
        "error[MM021]: spy depends on mail, which is started only with the profile `full`\n"
        "  --> minimesh.toml:20:36\n"
        "  help: minimesh up --profile full"
    )
    with pytest.raises(SpecError, match=r"debug depends on tracer, .* `full` or `debug`"):
        starting(project, ("debug",))


def test_all_that_is_missing_is_told_at_once(project: Project) -> None:
    with pytest.raises(SpecError) as caught:
        starting(project, ("debug", "spy"))
    assert [problem.where.line for problem in caught.value.problems] == [10, 20, 20]


def test_a_name_that_is_nobodys(project: Project) -> None:
    with pytest.raises(KeyError):
        starting(project, ("nobody",))


def test_profiles_are_known_by_their_services(project: Project) -> None:
    assert known_profiles(project) == ("full", "debug")


def test_a_long_chain(tmp_path: Path) -> None:
    services = "".join(f'[services.s{n}]\nrun = "a"\ndepends_on = ["s{n + 1}"]\n' for n in range(3000))
    (tmp_path / "minimesh.toml").write_text(f'version = 1\n{services}[services.s3000]\nrun = "a"\n')
    project = load(tmp_path / "minimesh.toml", {}).project
    assert starting(project, ("s0",))[0] == "s3000"
    assert len(starting(project)) == 3001
