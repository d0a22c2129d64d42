"""Terminals with less: no colours, no Unicode, eyes that do not tell red from green."""

import sys

import pytest

from minimesh_tui.look import ASCII, UNICODE, Glyphs, Health, Look, Role, look


@pytest.mark.parametrize(
    ("ascii_only", "colour", "environ", "encoding", "glyphs", "theme"),
    [
        (False, True, {}, "utf-8", UNICODE, "ansi"),
        (False, True, {"MINIMESH_THEME": "cvd"}, "UTF-8", UNICODE, "cvd"),
        (False, False, {"MINIMESH_THEME": "cvd"}, "utf-8", UNICODE, "mono"),
        (True, True, {}, "utf-8", ASCII, "ansi"),
        (False, True, {"TERM": "linux"}, "utf-8", ASCII, "ansi"),
        (False, True, {}, "ascii", ASCII, "ansi"),
    ],
)
def test_what_a_terminal_gets(
    monkeypatch: pytest.MonkeyPatch,
    ascii_only: bool,
    colour: bool,
    environ: dict[str, str],
    encoding: str,
    glyphs: Glyphs,
    theme: str,
) -> None:
    class Stream:
        pass

    stream = Stream()
    setattr(stream, "encoding", encoding)  # noqa: B010 - mypy knows no such attribute
    monkeypatch.setattr(sys, "__stderr__", stream)
    found = look(ascii_only, colour, environ)
    assert (found.glyphs, found.theme) == (glyphs, theme)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_no_health_is_told_by_its_colour_alone(glyphs: Glyphs) -> None:
    assert len({glyphs.health[health] for health in Health}) == len(Health)
    assert all(len(glyph) == 1 for glyph in glyphs.health.values())


def test_plain_glyphs_are_plain() -> None:
    assert (ASCII.bars + ASCII.line + ASCII.corners + ASCII.ellipsis + "".join(ASCII.health.values())).isascii()


def test_without_colours_no_style_has_one() -> None:
    mono = Look(ASCII, "mono")
    assert all(mono.of(role).color is None and mono.of(role).bgcolor is None for role in Role)


@pytest.mark.parametrize("theme", ["ansi", "cvd"])
def test_only_the_sixteen_colours_of_the_terminal(theme: str) -> None:
    colours = [
        colour
        for role in Role
        for colour in (Look(UNICODE, theme).of(role).color, Look(UNICODE, theme).of(role).bgcolor)
    ]
    assert all(colour is None or (colour.number is not None and colour.number < 16) for colour in colours)


def test_good_and_bad_are_not_red_and_green_for_everybody() -> None:
    cvd = Look(UNICODE, "cvd")
    names = {cvd.of(role).color.name for role in (Role.OK, Role.DOWN, Role.DEGRADED)}  # type: ignore[union-attr]  # have
    assert not names & {"red", "green", "bright_red", "bright_green"}
    assert len(names) == 3
