"""From a command line to an exit code: finds the verb, loads its group, tells mistakes well."""

import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from minimesh.cli.context import Context, environment
from minimesh.cli.errors import Exit, show, usage
from minimesh.cli.options import Command, Option, parse, write_help
from minimesh.cli.terminal import quiet_on_broken_pipe, spell_what_cannot_be_shown, terminal
from minimesh.cli.text import nearest
from minimesh.cli.values import choice
from minimesh.cli.verbs import VERBS, overview

COMMON = (
    Option(("-f", "--file"), "the minimesh.toml to use (MINIMESH_FILE)", "FILE", repeat=True),
    Option(("-p", "--project"), "the project's folder, as if started there (MINIMESH_PROJECT)", "DIR"),
    Option(
        ("-o", "--output"),
        "table, wide (more columns), json or name",
        "FORMAT",
        choice("table", "wide", "json", "name"),
    ),
    Option(("--json",), "the same as -o json: lists are one array, streams a line each"),
    Option(("-q", "--quiet"), "no notes on stderr"),
    Option(("--verbose",), "say on stderr what is asked of the mesh"),
    Option(("--no-color",), "no colours (NO_COLOR)"),
    Option(("--no-input",), "never ask and never read stdin"),
    Option(("-h", "--help"), "this text"),
)
_TAKES_VALUE = frozenset(flag for option in COMMON if option.metavar for flag in option.flags)


def run(words: Sequence[str]) -> int:
    """Runs a command line (without the program's name). Nothing but SystemExit of a child comes out as an exception."""
    as_json = _wants_json(words)
    err = terminal(sys.stderr, "--no-color" in words)
    spell_what_cannot_be_shown(sys.stdout)
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        if err.width is not None:
            err.line()  # the terminal has echoed ^C
        return Exit.INTERRUPTED
    except BrokenPipeError:
        quiet_on_broken_pipe()
        return Exit.OK
    except Exception as error:  # the one rescue: what it does not know is a bug, and is called one
        if environment("MINIMESH_DEBUG"):
            raise
        from minimesh.cli.rescue import rescue  # noqa: PLC0415

        told, code = rescue(error, err.width)
        show(told, err, as_json)
    return code


def _wants_json(words: Sequence[str]) -> bool:
    """Before anything is parsed, because what cannot be parsed is told as JSON too."""
    own = [*words[: words.index("--")]] if "--" in words else [*words]
    return bool({"--json", "-ojson", "--output=json"} & {*own}) or any(
        flag in ("-o", "--output") and value == "json" for flag, value in pairwise(own)
    )


def _dispatch(words: Sequence[str]) -> int:
    before, verb, after = split(words)
    common = parse("minimesh", COMMON, (), before)
    if verb is None or verb == "help":
        return _help(after)
    if verb not in VERBS:
        guess = nearest(verb, list(VERBS))
        raise usage(
            f"there is no command {verb!r}" + (f"; did you mean {guess}?" if guess else ""),
            f"minimesh {guess} --help" if guess else "minimesh --help",
        )
    command: Command = import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb]
    if "help" in common:
        return _help([verb])
    after, program = _program(verb, command, after)
    if "-h" in after or "--help" in after:
        return _help([verb])
    parameters = parse(verb, (*command.options, *_common_after(command)), command.arguments, after)
    parameters["file"] = (*common.get("file", ()), *parameters.get("file", ()))
    common |= {name: parameters.pop(name) for name in [*parameters] if name in _COMMON_NAMES}
    for option in command.options:
        parameters.setdefault(option.parameter, () if option.repeat else option.default if option.metavar else False)
    if command.takes_command:
        parameters["program"] = program
    context = _context(common)
    if context.output not in command.outputs:
        raise usage(f"{verb} has no output {context.output}, only {', '.join(command.outputs)}")
    return int(command.run(context, **parameters))


_COMMON_NAMES = frozenset(option.parameter for option in COMMON)


def split(words: Sequence[str]) -> tuple[list[str], str | None, list[str]]:
    """What stands before the verb, the verb, what follows it."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        if words[index] in ("--version", "-V"):
            return [*words[:index]], "version", [*words[index + 1 :]]
        index += 2 if words[index] in _TAKES_VALUE else 1
    if index >= len(words):
        return [*words], None, []
    return [*words[:index]], words[index], [*words[index + 1 :]]


def _program(verb: str, command: Command, words: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Splits at `--`: the command's own words, and the program to run."""
    if not command.takes_command:
        before, _, after = _cut(words, "--")
        return [*before, *after], ()
    required = [argument for argument in command.arguments if not argument.optional]
    before, mark, program = _cut(words, "--")
    if not mark and required:  # `exec web sh`, as with compose: the program follows the last argument
        count = _words_of_arguments(command, words, len(required))
        before, program = [*words[:count]], [*words[count:]]
    if (mark or required) and not program and not {"-h", "--help"} & set(before):
        raise usage(f"{verb} needs a program to run, after --", next(iter(command.examples))[0])
    return before, tuple(program)


def _cut(words: Sequence[str], mark: str) -> tuple[list[str], bool, list[str]]:
    if mark not in words:
        return [*words], False, []
    index = words.index(mark)
    return [*words[:index]], True, [*words[index + 1 :]]


def _words_of_arguments(command: Command, words: Sequence[str], arguments: int) -> int:
    """How many words there are up to and with the last of so many arguments, options between them included."""
    options = (*command.options, *_common_after(command))
    valued = {flag for option in options if option.metavar for flag in option.flags}
    index = 0
    while index < len(words) and arguments:
        if words[index].startswith("-"):
            index += 2 if words[index] in valued else 1
        else:
            index, arguments = index + 1, arguments - 1
    return index


def _common_after(command: Command) -> list[Option]:
    """The common options less the short names that the command has for something else (`logs -f`)."""
    taken = {flag for option in command.options for flag in option.flags}
    return [
        option._replace(
            flags=tuple(flag for flag in option.flags if flag not in taken),
            help=_outputs(command) if option.parameter == "output" else option.help,
            name=option.parameter,
        )
        for option in COMMON
        if option.flags[-1] not in taken
    ]


def _outputs(command: Command) -> str:
    told = ["wide (more columns)" if output == "wide" else output for output in command.outputs]
    return " or ".join(filter(None, (", ".join(told[:-1]), told[-1])))


def _help(words: Sequence[str]) -> int:
    verb = next((word for word in words if not word.startswith("-")), None)
    if verb is None:
        sys.stdout.write(overview([(option.flags, option.metavar, option.help) for option in COMMON]))
        return Exit.OK
    if verb not in VERBS:
        return _dispatch([verb])
    command: Command = import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb]
    sys.stdout.write(write_help(verb, command, _common_after(command)) + "\n")
    return Exit.OK


def _context(common: dict[str, Any]) -> Context:
    no_colour = "no_color" in common
    file, *further = common.get("file") or [environment("MINIMESH_FILE")]
    return Context(
        out=terminal(sys.stdout, no_colour),
        err=terminal(sys.stderr, no_colour),
        file=file,
        further=tuple(further),
        project=common.get("project") or environment("MINIMESH_PROJECT"),
        output="json" if "json" in common else common.get("output", "table"),
        quiet="quiet" in common,
        verbose="verbose" in common,
        no_input="no_input" in common,
    )
