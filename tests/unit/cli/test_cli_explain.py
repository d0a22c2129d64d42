"""`explain`: every code, every reason and every key has something to say."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from minimesh.cli.explain import described, explanations, keys, prose
from minimesh.model import reason
from minimesh.spec.entries import Entry, entries

Command = Callable[..., tuple[int, str, str]]

SOURCE = Path(reason.__file__).parents[1]


def test_every_code_and_reason_in_the_source_is_explained() -> None:
    texts = explanations()
    used = {code for file in SOURCE.glob("**/*.py") for code in re.findall(r"\bMM\d{3}\b", file.read_text())}
    assert used >= {"MM002", "MM101", "MM401"}
    assert used <= set(texts)
    assert set(reason.REASONS) <= set(texts)
    made = {value.code for value in vars(reason).values() if isinstance(value, reason.Reason)}
    assert made == set(reason.REASONS)
    assert all(text.strip() for text in texts.values())


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.dotted)
def test_every_key_is_explained(minimesh: Command, entry: Entry) -> None:
    assert keys(entry.dotted) == [entry], "its path is enough to name it"
    code, out, err = minimesh("explain", entry.dotted)
    assert (code, err) == (0, "")
    assert f"{entry.dotted}: " in out
    if entry.key is None:
        assert "MM006" in out
        return
    assert entry.key.doc in out
    assert entry.name in out.splitlines()[-1]
    assert max(map(len, out.splitlines()[1:])) <= 110
    (facts,) = json.loads(minimesh("explain", entry.dotted, "--json")[1])["keys"]
    assert facts["type"] == entry.key.kind.noun


@pytest.mark.parametrize(
    ("topic", "path"),
    [
        ("restart.backoff", "services.*.restart.backoff"),
        ("services.web.restart.backoff", "services.*.restart.backoff"),
        ("defaults.timeout", "services.*.timeout"),
        ("gateway.routes[0].path", "gateway.routes.path"),
        ("[[gateway.routes]]", "gateway.routes"),
        ("hop", "mesh.hop"),
        ("tasks.migrate.when", "tasks.*.when"),
    ],
)
def test_a_key_may_be_named_in_many_ways(topic: str, path: str) -> None:
    assert [entry.dotted for entry in keys(topic)] == [path]


def test_a_key_in_full(minimesh: Command) -> None:
    assert minimesh("explain", "services.*.timeout")[1] == (
        "services.*.timeout: how long calls to it may take\n"
        "\n"
        '  type      a duration or "off" or a table\n'
        "  limits    with its unit: ms, s, m, h\n"
        '  default   "off"\n'
        '  short     timeout = "2s" means timeout = { request = "2s" }\n'
        "  keys      request, connect, idle\n"
        "  not built try\n"
        "  also in   [defaults], for all services\n"
        "\n"
        "  [services.web]\n"
        '  timeout = "2s"\n'
    )


def test_an_ambiguous_name_lists_what_it_may_be(minimesh: Command) -> None:
    code, out, _ = minimesh("explain", "within")
    assert code == 0
    assert "services.*.stop.within" in out
    assert "services.*.ready.within" in out
    assert "tasks.*.stop.within" in out
    assert len(json.loads(minimesh("explain", "within", "--json")[1])["keys"]) == 3


def test_a_word_that_is_a_reason_and_a_key_is_both(minimesh: Command) -> None:
    out = minimesh("explain", "timeout")[1]
    assert out.startswith("timeout: the service did not answer in time\n")
    assert "services.*.timeout  " in out


@pytest.mark.parametrize(
    ("topic", "meant"),
    [("timout", "timeout"), ("upstream_refusd", "upstream_refused"), ("services.*.restat", "services.*.restart")],
)
def test_did_you_mean(minimesh: Command, topic: str, meant: str) -> None:
    code, out, err = minimesh("explain", topic)
    assert (code, out) == (2, "")
    assert f"did you mean {meant}?" in err
    assert f"help: minimesh explain {meant}" in err


@pytest.mark.parametrize("columns", [40, 60])
@pytest.mark.parametrize("topic", sorted(explanations()))
def test_a_narrow_terminal_breaks_no_word(topic: str, columns: int) -> None:
    text = f"{topic}: {explanations()[topic]}"
    shown = prose(text, columns)
    assert shown.split() == text.split()
    prose_lines = [line for line in shown.split("\n") if " " in line.strip() and not line.startswith(" ")]
    assert all(len(line) <= columns for line in prose_lines)
    assert prose(text, None) == text


def test_a_key_fits_a_narrow_terminal() -> None:
    for entry in entries():
        above, _, _ = described(entry, 60).rpartition("\n\n")
        assert all(len(line) <= 60 for line in above.split("\n"))
