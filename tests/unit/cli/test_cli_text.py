"""Values as people read them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimesh.cli import text

JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.0, "0ms"),
        (0.04, "0ms"),
        (0.42, "0.4ms"),
        (0.96, "1ms"),
        (31.2, "31ms"),
        (2000.0, "2000ms"),
        (12_345.0, "12.3s"),
    ],
)
def test_latencies(value: float | None, shown: str) -> None:
    assert text.milliseconds(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(None, "-"), (1.0, "100.00%"), (0.999_999, "99.99%"), (0.961, "96.10%"), (0.813, "81.30%"), (0.0, "0.00%")],
)
def test_only_what_never_failed_is_a_hundred_percent(share: float | None, shown: str) -> None:
    assert text.percent(share) == shown


@pytest.mark.parametrize(("value", "shown"), [(None, "-"), (27.0, "27.0"), (0.02, "0.02"), (9.13, "9.1"), (0.0, "0.0")])
def test_rates(value: float | None, shown: str) -> None:
    assert text.rate(value) == shown


@pytest.mark.parametrize(
    ("ms", "shown"),
    [(None, "-"), (0, "0s"), (59_999, "59s"), (720_000, "12m"), (7_200_000, "2h"), (200_000_000, "2d")],
)
def test_ages(ms: float | None, shown: str) -> None:
    assert text.age(ms) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.006, "6ms"), (0.0996, "0.1s"), (0.9, "0.9s"), (59.96, "1m00s"), (125, "2m05s")]
)
def test_steps(seconds: float, shown: str) -> None:
    assert text.elapsed(seconds) == shown


@pytest.mark.parametrize(
    ("octets", "shown"),
    [(None, "-"), (91, "91B"), (1024, "1.0KiB"), (3 << 20, "3.0MiB"), ((1 << 20) - 1, "1.0MiB"), (5 << 40, "5.0TiB")],
)
def test_sizes(octets: int | None, shown: str) -> None:
    assert text.size(octets) == shown


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "L", "Nd"])))
def test_nothing_that_a_terminal_acts_on_is_left(raw: str) -> None:
    for shown in (text.escape(raw), text.service_output(raw, colour=False).replace("\t", "")):
        assert all(each.isprintable() or unicodedata.category(each) == "Zs" or each in JOINERS for each in shown)


@pytest.mark.parametrize(
    ("raw", "shown"), [("a\x1b[2Jb", r"a\x1b[2Jb"), ("bell\x07", r"bell\x07"), ("a\nb", r"a\nb"), ("ü → ●", "ü → ●")]
)
def test_control_characters_are_spelt_out(raw: str, shown: str) -> None:
    assert text.escape(raw) == shown


def test_services_may_colour_their_output_and_do_nothing_else_to_the_terminal() -> None:
    raw = "\x1b[31mred\x1b[0m\tx\x1b]0;title\x07\x1b[2J"
    assert text.service_output(raw, colour=False) == "red\tx"
    assert text.service_output(raw, colour=True) == "\x1b[31mred\x1b[0m\tx\x1b[0m"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("0%\r50%\r100%", "100%"),
        ("\rbuilding\r\x1b[K", "building"),
        ("\x1b[2K\x1b[1Gbuilding\x1b[2K\x1b[1Gbuilt in 2 s", "built in 2 s"),
        ("\r\r", ""),
        ("a\x1b[10A\x1b[?1049h\x1b[?25l\x1b[Hb", "ab"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b(B\x1b[mplain\x1b7\x1bc", "plain"),
        ("torn \x1b[", r"torn \x1b["),
        ("bell \x07 back\x08 nul \x00 \x9b2J", r"bell \x07 back\x08 nul \x00 \x9b2J"),
        ("rtl \u202etxt", r"rtl \u202etxt"),
        ("1\u202f234\xa0€ 日本\u3000語 👩\u200d🚀", "1\u202f234\xa0€ 日本\u3000語 👩\u200d🚀"),
    ],
)
def test_output_is_shown_as_it_would_look(raw: str, shown: str) -> None:
    assert text.service_output(raw, colour=False) == shown


@pytest.mark.parametrize(
    ("line", "columns"), [("e\u0301", 1), ("日本", 4), ("❤\ufe0f", 1), ("a\u3000b", 4), ("👩\u200d🚀", 4)]
)
def test_columns_of_a_text(line: str, columns: int) -> None:
    assert text.width(line) == columns


@given(st.text(st.sampled_from("ab 日 ")), st.integers(4, 30))
def test_wrapped_text_loses_no_word(raw: str, columns: int) -> None:
    lines = text.wrap(raw, columns)
    assert " ".join(lines).split() == raw.split()
    assert all(text.width(line) <= columns or " " not in line.strip() for line in lines)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cf"])), st.integers(1, 30))
def test_shortened_text_fits(raw: str, columns: int) -> None:
    assert text.width(text.shorten(raw, columns)) <= columns


def test_the_nearest_word_or_none() -> None:
    assert text.nearest("statt", ["start", "stat", "stop"]) == "stat"
    assert text.nearest("zzz", ["start", "stat"]) is None
