"""What a command line may hold, and what it meant when it holds something else.

Options are declared as values: `argparse` parses by them, and the help is written from them.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

from minimesh.cli.errors import CommandError, usage
from minimesh.cli.text import nearest


class Option(NamedTuple):
    """`flags`: long name last, which names the parameter too. `metavar` "": a switch.

    `repeat`: may be given several times, the parameter is a tuple. `convert` raises ValueError with a message.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    convert: Callable[[str], object] = str
    repeat: bool = False
    default: object = None
    name: str = ""

    @property
    def parameter(self) -> str:
        return self.name or self.flags[-1].lstrip("-").replace("-", "_")


class Argument(NamedTuple):
    """A word that is not an option. `many`: any number, also none; the parameter is a tuple. words: the only ones."""

    name: str
    help: str
    many: bool = False
    optional: bool = False
    words: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        if self.many:
            return f"[{self.name}...]"
        return f"[{self.name}]" if self.optional else self.name


class Command(NamedTuple):
    """`run(context, **parameters)` returns an exit code. `takes_command`: a program to run follows `--`.

    outputs: the values of -o that mean something to this command.
    """

    run: Callable[..., int]
    about: str
    examples: tuple[tuple[str, str], tuple[str, str]]
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()
    takes_command: bool = False
    outputs: tuple[str, ...] = ("table", "wide", "json", "name")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage(message.removeprefix("argument "))


def parse(verb: str, options: Sequence[Option], arguments: Sequence[Argument], words: Sequence[str]) -> dict[str, Any]:
    """The parameters that the words give; those not given are left out, positional ones excepted.

    Raises CommandError (exit code 2) with what was probably meant.
    """
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for option in options:
        _declare(parser, option)
    for argument in arguments:
        parser.add_argument(
            argument.name,
            nargs="*" if argument.many else "?",
            default=[] if argument.many else None,
            metavar=argument.name,
        )
    found, unknown = parser.parse_known_intermixed_args(list(words))
    parameters: dict[str, Any] = dict(vars(found))
    if unknown:
        raise _unknown(verb, unknown[0], options)
    for argument in arguments:
        value = parameters.pop(argument.name)
        if value is None and not argument.optional:
            raise usage(f"{verb} needs a {argument.name}: {argument.help}", _help_command(verb))
        parameters[argument.name.lower()] = tuple(value) if argument.many else value
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}


def _declare(parser: _Parser, option: Option) -> None:
    if not option.metavar:
        parser.add_argument(*option.flags, dest=option.parameter, action="store_true")
        return

    def convert(text: str) -> object:
        try:
            return option.convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    parser.add_argument(
        *option.flags, dest=option.parameter, type=convert, action="append" if option.repeat else "store"
    )


def _unknown(verb: str, word: str, options: Sequence[Option]) -> CommandError:
    if not word.startswith("-"):
        return usage(f"{verb} takes no further argument {word!r}", _help_command(verb))
    name, _, _ = word.partition("=")
    guess = nearest(name, [flag for option in options for flag in option.flags if flag.startswith("--")])
    return usage(f"{verb} has no option {name}" + (f"; did you mean {guess}?" if guess else ""), _help_command(verb))


def _help_command(verb: str) -> str:
    return "minimesh --help" if verb == "minimesh" else f"minimesh {verb} --help"


def write_help(verb: str, command: Command, common: Sequence[Option]) -> str:
    """The text of `minimesh VERB --help`, 80 columns at most, ending with two examples."""
    from textwrap import wrap  # noqa: PLC0415 - only help pays for it

    words = ["minimesh", verb, *(argument.shown for argument in command.arguments), "[OPTIONS]"]
    usage_line = "usage: " + " ".join(words) + (" -- COMMAND..." if command.takes_command else "")
    lines = [usage_line, "", *wrap(command.about, 80)]
    if command.arguments:
        lines += ["", "arguments:", *_two_columns([(argument.name, argument.help) for argument in command.arguments])]
    if command.options:
        lines += ["", "options:", *_two_columns([(_flags(option), option.help) for option in command.options])]
    lines += ["", "common options:", *_two_columns([(_flags(option), option.help) for option in common])]
    lines += ["", "examples:"]
    for line, about in command.examples:
        lines += [f"  {line}", f"      {about}"]
    return "\n".join(lines)


def _flags(option: Option) -> str:
    names = ", ".join(option.flags)
    if not option.flags[0].startswith("--"):
        return f"{names} {option.metavar}".rstrip()
    return f"    {names} {option.metavar}".rstrip()


def _two_columns(rows: Sequence[tuple[str, str]], room: int = 80) -> list[str]:
    from textwrap import wrap  # noqa: PLC0415 - only help pays for it

    left = min(max(len(name) for name, _ in rows), 26) + 4
    lines: list[str] = []
    for name, text in rows:
        first, *rest = wrap(text, room - left) or [""]
        start = f"  {name}"
        if len(start) > left - 2:
            lines.append(start)
            start = ""
        lines.append(start.ljust(left) + first)
        lines += [" " * left + line for line in rest]
    return lines
