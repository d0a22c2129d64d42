"""What `minimesh up` shows, from the start to the end, and what it leaves of the terminal."""

import re
import urllib.request

import pytest

from tests.terminal.kit import PYTHON, RUN, Open, Project, Screen, marked, processes_of, url_of

pytestmark = pytest.mark.slow

WEB = f"""
[services.web]
{RUN}
depends_on = ["api"]
ready = "/"
[services.api]
{RUN}
env = {{ DELAY = "1" }}
ready = {{ http = "/healthz", every = "100ms" }}
"""
TROUBLE = f"""
[services.web]
{RUN}
ready = "/"
[tasks.migrate]
run = "echo 'cannot reach db' >&2; exit 3"
[services.crasher]
run = [{PYTHON}, "-c", "import os; os.environ['STRIPE_KEY']"]
restart = {{ policy = "on-failure", backoff = "50ms..50ms", max = 2 }}
[services.never]
run = ["sleep", "1000"]
ready = {{ http = "/", within = "2s" }}
[services.elsewhere]
{RUN}
env = {{ REAL_PORT = "0" }}
ready = {{ http = "/", within = "2s" }}
"""
STUBBORN = f"""
[services.web]
{RUN}
ready = "/"
env = {{ STUBBORN = "1" }}
stop = "STOP"
"""


@pytest.mark.parametrize(("columns", "rows"), [(120, 36), (80, 24), (60, 15)])
def test_one_line_for_each_service_and_an_address_that_works(
    open_screen: Open, project: Project, columns: int, rows: int
) -> None:
    folder = project(WEB)
    screen = open_screen(folder, columns, rows)
    screen.show("stty -a > before; minimesh up; stty -a > after")
    waiting = screen.until(r"\.\.  web +waiting for api: not ready, /healthz 503")
    assert len(marked(waiting, "..")) <= 2
    lines = screen.until(r"^stop: Ctrl-C")
    assert [line.split()[1] for line in marked(lines, "ok")] == ["config", "identity", "api", "web"]
    assert not marked(lines, "..")
    for line in marked(lines, "ok")[2:]:
        assert re.search(r"ready: GET /.*   127\.0\.0\.1:\d+ .*\d(s|ms)$", line), line
    assert max(map(len, lines)) <= columns
    assert urllib.request.urlopen(url_of(lines)).read() == b"ok\n"

    screen.press("C-c")
    lines = screen.finished()
    assert "stopping web, api (Ctrl-C again kills)" in lines
    assert re.fullmatch(r"stopped 2 in .*, 0 processes left", lines[-2])
    assert (folder / "before").read_text() == (folder / "after").read_text()
    assert screen.flag("cursor_flag")
    assert not processes_of(folder)


def test_what_went_wrong_is_said_in_full(open_screen: Open, project: Project) -> None:
    screen = open_screen(project(TROUBLE), 80, 24)
    screen.show("minimesh up")
    screen.until("^stop: Ctrl-C")
    lines = screen.lines(scrolled=True)
    told = re.sub(r"\n {10,}", " ", "\n".join(lines))  # sentences that go on in the next line
    for line in (
        r"  !!  migrate    failed: exit 3: cannot reach db",
        r"  !!  crasher    crash-loop: exit 1: KeyError: 'STRIPE_KEY'; 3 times in [\d.]+ s, not started again",
        r"  !!  never      failed: not ready within 2 s: tcp 127\.0\.0\.1:\d+: connection refused",
        r"  !!  elsewhere  failed: not ready within 2 s: listens on \d+ \(pid \d+\), not on \$PORT \d+; write .*",
        r"error\[MM301\]: crasher keeps crashing: .*",
        r"ready in .* without crasher, elsewhere, migrate, never\s+http://localhost:\d+",
    ):
        assert re.search(f"^{line}$", told, re.MULTILINE), f"{line}\n{told}"
    assert "…" not in told
    screen.press("C-c")
    screen.finished()


def test_more_services_than_rows_and_a_window_that_changes(open_screen: Open, project: Project) -> None:
    services = "".join(
        f'[services.{name}]\n{RUN}\nready = {{ http = "/", every = "100ms" }}\nenv = {{ DELAY = "{delay}" }}\n'
        for name, delay in [("web", 3), *((f"service-{number}", 2) for number in range(1, 13))]
    )
    folder = project(services)
    left: list[list[str]] = []
    for _ in range(3):
        left.append(resized_while_it_waits(open_screen(folder, 60, 10)))
        if not left[-1]:
            break
    # A terminal that breaks lines anew in the very moment of a rewriting may keep a copy of one.
    assert [] in left, left


def resized_while_it_waits(screen: Screen) -> list[str]:
    """The waiting lines that are left over."""
    screen.show("minimesh up")
    screen.until(r"\.\.  web .*503 for 0\.")
    screen.until(r"(?:^  \.\.  (?!and).*\n){4}^  \.\.  and 9 more that are not ready yet$")
    screen.resize(35, 12)
    screen.until(r"\.\.  web .*503 for 1\.")
    screen.resize(100, 30)
    screen.until("^stop: Ctrl-C")
    lines = screen.lines(scrolled=True)
    assert len(marked(lines, "ok")) == 15
    screen.press("C-c")
    assert " and 5 more (Ctrl-C again kills)" in " ".join(screen.finished())
    return marked(lines, "..")


NOISE = r"""
import sys, time
print("\x1b[31mred\x1b[0m and \x1b[1;44mblue")
print("title \x1b]0;mine\x07alternate \x1b[?1049hmouse \x1b[?1000hhidden \x1b[?25lup \x1b[20A\x1b[2Jend")
print("wide 日本語 🚀 bell \x07 back \x08 rtl \u202etxt")
for percent in range(0, 101, 10):
    sys.stdout.write(f"\rdone {percent}%")
print()
print("tabs\tone")
sys.stdout.buffer.write(b"bad \xff\xfe bytes\n")
print("long " + "x" * 300 + " end", flush=True)
time.sleep(1000)
"""


def test_output_of_a_service_has_no_power_over_the_terminal(open_screen: Open, project: Project) -> None:
    folder = project(f'[services.web]\nrun = [{PYTHON}, "noise.py"]\nport = "none"\n')
    (folder / "minimesh.toml").write_text(f'version = 1\n[services.web]\nrun = [{PYTHON}, "noise.py"]\nport = "none"\n')
    (folder / "noise.py").write_text(NOISE, encoding="utf-8")
    screen = open_screen(folder, 80, 24)
    screen.show("minimesh up")
    screen.until(" end$")
    coloured = "\n".join(screen.lines(escapes=True))
    assert "\x1b[31mred\x1b[" in coloured
    assert coloured.count("\x1b[44m") == 1
    lines = screen.lines()
    assert lines[0].startswith("minimesh ")
    at = lines.index("web | red and blue")
    assert lines[at + 1 : at + 6] == [
        "web | title alternate mouse hidden up end",
        r"web | wide 日本語 🚀 bell \x07 back \x08 rtl \u202etxt",
        "web | done 100%",
        "web | tabs      one",
        "web | bad �� bytes",
    ]
    assert not screen.flag("alternate_on")
    assert not screen.flag("mouse_any_flag")
    assert screen.flag("cursor_flag")
    screen.press("C-c")
    screen.finished()


def test_stopping_says_who_it_waits_for(open_screen: Open, project: Project) -> None:
    screen = open_screen(project(STUBBORN.replace("STOP", "2s")), 80, 24)
    screen.show("minimesh up")
    screen.until("^stop: Ctrl-C")
    screen.press("C-c")
    screen.until(r"^  \.\.  web +stopping for 1 s: SIGTERM sent, SIGKILL after 2 s   pid \d+$")
    lines = screen.finished()
    assert not marked(lines, "..")
    assert not [line for line in lines if "^C" in line]
    assert re.fullmatch(r"stopped 1 in .*, 0 processes left", lines[-2])


def test_a_second_ctrl_c_kills(open_screen: Open, project: Project) -> None:
    folder = project(STUBBORN.replace("STOP", "10m"))
    screen = open_screen(folder, 80, 24)
    screen.show("minimesh up")
    screen.until("^stop: Ctrl-C")
    screen.press("C-c")
    screen.until(r"\.\.  web +stopping")
    screen.press("C-c")
    assert re.fullmatch(r"stopped 1 in .*, 0 processes left", screen.finished()[-2])
    assert not processes_of(folder)


def test_ctrl_z_and_back(open_screen: Open, project: Project) -> None:
    screen = open_screen(project(WEB), 80, 24)
    screen.show("minimesh up")
    screen.until(r"\.\.  api .*503")
    screen.press("C-z")
    screen.until(r":148\]>$")
    screen.run("fg")
    lines = screen.until("^stop: Ctrl-C")
    assert [line.split()[1] for line in marked(lines, "ok")] == ["config", "identity", "api", "web"]
    assert [line for line in lines if line.endswith(":148]> fg")], "what the shell wrote meanwhile stays"
    screen.press("C-c")
    screen.finished()


@pytest.mark.parametrize("how", ["closed", "SIGTERM", "SIGHUP"])
def test_nothing_is_left_however_it_ends(open_screen: Open, project: Project, how: str) -> None:
    folder = project(WEB)
    screen = open_screen(folder, 80, 24)
    screen.show("minimesh up & wait $!" if how != "closed" else "minimesh up")
    screen.until("^stop: Ctrl-C")
    running = processes_of(folder)
    assert len(running) == 3
    if how == "closed":
        screen.close()
    else:
        screen.aside(
            f'kill -s {how} $(python3 -c \'import json; print(json.load(open(".minimesh/run.json"))["pid"])\')'
        )
        screen.finished()
        assert screen.flag("cursor_flag")
    screen.eventually(lambda: not processes_of(folder))


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": "linux", "LANG": "C"}])
def test_plain_terminals(open_screen: Open, project: Project, variables: dict[str, str]) -> None:
    slow = WEB.replace('DELAY = "1"', 'DELAY = "2.5"')
    screen = open_screen(project(slow), 60, 20, **variables)
    (screen.run if "TERM" in variables else screen.show)("minimesh up")
    screen.until("^stop: Ctrl-C")
    lines, rewritten = screen.lines(), variables.get("TERM") == "linux"
    assert [line.split()[1] for line in marked(lines, "ok")] == ["config", "identity", "api", "web"]
    assert (not marked(lines, "..")) == rewritten, "where nothing is rewritten, who waits long is told once"
    assert ("\x1b[" in "".join(screen.lines(escapes=True))) == rewritten
    assert ("…" in "".join(lines)) != rewritten
    screen.press("C-c")
    assert "stopping web, api (Ctrl-C again kills)" in screen.finished()


def test_a_reader_that_leaves_ends_nothing(open_screen: Open, project: Project) -> None:
    folder = project(WEB)
    screen = open_screen(folder, 80, 24)
    screen.show("minimesh up 2>&1 >/dev/null | head -1")
    screen.until("^minimesh ")
    screen.eventually(lambda: len(processes_of(folder)) == 3)
    screen.press("C-c")
    assert "Traceback" not in "\n".join(screen.finished())
    screen.eventually(lambda: not processes_of(folder))
