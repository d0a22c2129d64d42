"""`minimesh completion`: what a shell asks when Tab is pressed."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from minimesh.cli.context import FILE_NAME, Context
from minimesh.cli.errors import Exit, usage
from minimesh.cli.options import Argument, Command, Option
from minimesh.cli.values import choice
from minimesh.cli.verbs import VERBS

_NAMES = "minimesh completion names 2>/dev/null"
NAMES = ("names",)
"""Stands for those of services and tasks."""
_BASH = """\
_minimesh() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD - 1]}}" verb="" index
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "${{COMP_WORDS[index]}}" in
      -f|--file|-p|--project|-o|--output) ((index++)) ;;
      -*) ;;
      *) verb="${{COMP_WORDS[index]}}"; break ;;
    esac
  done
  if [ -z "$verb" ]; then
    COMPREPLY=($(compgen -W "{verbs} {common}" -- "$word"))
    return
  fi
  case "$verb $before" in
{values}
  esac
  if [[ "$word" == -* ]]; then
    local options=""
    case "$verb" in
{options}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
    return
  fi
  case "$verb" in
    {named}) COMPREPLY=($(compgen -W "$({names})" -- "$word")) ;;
  esac
}}
complete -o default -F _minimesh minimesh
"""
_ZSH = """\
#compdef minimesh
_minimesh() {{
  local verb="" index
  for ((index = 2; index < CURRENT; index++)); do
    case "$words[index]" in
      -f|--file|-p|--project|-o|--output) ((index++)) ;;
      -*) ;;
      *) verb="$words[index]"; break ;;
    esac
  done
  if [[ -z "$verb" ]]; then
    local -a verbs=({described})
    _describe command verbs
    return
  fi
  case "$verb $words[CURRENT-1]" in
{values}
  esac
  if [[ "$PREFIX" == -* ]]; then
    local -a options=()
    case "$verb" in
{options}
    esac
    _describe option options
    return
  fi
  case "$verb" in
    {named}) compadd -- ${{(f)"$({names})"}} ;;
    *) _files ;;
  esac
}}
if [ "$funcstack[1]" = "_minimesh" ]; then
  _minimesh "$@"
else
  compdef _minimesh minimesh
fi
"""


def completion(context: Context, *, shell: str) -> int:
    """A script for the shell; it asks `minimesh completion names` for the names of services."""
    try:
        choice("bash", "zsh", "fish", "names")(shell)
    except ValueError as error:
        raise usage(f"SHELL: {error}", "minimesh completion --help") from None
    if shell == "names":
        context.names(names(context))
    else:
        context.out.stream.write(script(shell))
    return Exit.OK


def names(context: Context) -> list[str]:
    """Services and tasks of the running mesh, else of the file. Quick, and silent about what is wrong."""
    from minimesh.control.client import Client, NotRunningError, RefusedError  # noqa: PLC0415 - the client costs 60 ms

    try:
        return [service["name"] for service in Client(context.root(), 1.0).get("/v1/services")]
    except (NotRunningError, RefusedError):
        return _of_the_file(Path(context.file) if context.file else context.root() / FILE_NAME)


def _of_the_file(file: Path) -> list[str]:
    import tomllib  # noqa: PLC0415 - only where no mesh answers

    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return [name for table in ("services", "tasks") for name in content.get(table, {})]
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def script(shell: str) -> str:
    """The text for bash, zsh or fish."""
    named = "|".join(verb for verb in VERBS if _takes_names(verb))
    match shell:
        case "bash":
            options = "\n".join(f'      {verb}) options="{" ".join(_flags(verb))}" ;;' for verb in VERBS)
            common = " ".join(flag for option in _common() for flag in option.flags if flag.startswith("--"))
            values = "\n".join(
                f"    {pattern}) COMPREPLY=({_bash_words(words)}); return ;;" for pattern, words in _patterns()
            )
            return _BASH.format(
                verbs=" ".join(VERBS), common=common, values=values, options=options, named=named, names=_NAMES
            )
        case "zsh":
            described = " ".join(_zsh(name, verb.summary) for name, verb in VERBS.items())
            options = "\n".join(f"      {verb}) options=({_zsh_options(verb)}) ;;" for verb in VERBS)
            values = "\n".join(f"    {pattern}) {_zsh_words(words)}; return ;;" for pattern, words in _patterns())
            return _ZSH.format(described=described, values=values, options=options, named=named, names=_NAMES)
        case _:
            return "\n".join(_fish()) + "\n"


def _words(verb: str, option: Option) -> tuple[str, ...] | None:
    """What may follow an option: a few words, NAMES (of services), or a file; nothing where nobody can know."""
    if option.parameter == "output":
        return _command(verb).outputs
    if isinstance(option.convert, choice):
        return option.convert.words
    if option.metavar in ("SVC", "TASK"):
        return NAMES
    return None if option.metavar in ("FILE", "DIR") else ()


def _patterns() -> list[tuple[str, tuple[str, ...] | None]]:
    """For a `case` of the command and the word before: what may follow there."""
    first: list[tuple[str, tuple[str, ...] | None]] = [
        (f"{verb}\\ {verb}", words) for verb in VERBS if (words := _first_words(verb))
    ]
    return first + [
        ("|".join(f"{verb}\\ {flag}" for flag in option.flags), _words(verb, option))
        for verb in VERBS
        for option in _options(verb)
        if option.metavar and option.flags
    ]


def _bash_words(words: tuple[str, ...] | None) -> str:
    if words is None:
        return '$(compgen -f -- "$word")'
    return f'$(compgen -W "{f"$({_NAMES})" if words is NAMES else " ".join(words)}" -- "$word")'


def _zsh_words(words: tuple[str, ...] | None) -> str:
    if words is None:
        return "_files"
    return f'compadd -- ${{(f)"$({_NAMES})"}}' if words is NAMES else " ".join(("compadd --", *words))


def _fish_words(words: tuple[str, ...] | None) -> str:
    if words is None:
        return "-r -F"
    return f"-x -a '({_NAMES})'" if words is NAMES else f"-x -a '{' '.join(words)}'" if words else "-x"


def _zsh(name: str, about: str) -> str:
    safe = about.replace("'", "").replace(":", "\\:")
    return f"'{name}:{safe}'"


def _zsh_options(verb: str) -> str:
    return " ".join(_zsh(option.flags[-1], option.help.partition(";")[0]) for option in _options(verb))


def _fish() -> list[str]:
    none = "not __fish_seen_subcommand_from " + " ".join(VERBS)
    lines = ["complete -c minimesh -f"]
    for name, verb in VERBS.items():
        lines.append(f"complete -c minimesh -n '{none}' -a {name} -d {_quoted(verb.summary)}")
        seen = f"__fish_seen_subcommand_from {name}"
        for option in _options(name):
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = f" {_fish_words(_words(name, option))}" if option.metavar else ""
            lines.append(f"complete -c minimesh -n '{seen}' {flags}{value} -d {_quoted(option.help.partition(';')[0])}")
        if words := _first_words(name):
            lines.append(f"complete -c minimesh -n '{seen}' -a '{' '.join(words)}'")
        if _takes_names(name):
            lines.append(f"complete -c minimesh -n '{seen}' -a '({_NAMES})'")
    return lines


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _command(verb: str) -> Command:
    command: Command = import_module(f"minimesh.cli.{VERBS[verb].module}").COMMANDS[verb]
    return command


def _common() -> tuple[Option, ...]:
    from minimesh.cli.app import COMMON  # noqa: PLC0415 - it imports the groups by name, this one too

    return COMMON


def _options(verb: str) -> list[Option]:
    """The command's own and the common ones, less the short names that mean something else here."""
    own = _command(verb).options
    taken = {flag for option in own for flag in option.flags}
    rest = [option._replace(flags=tuple(flag for flag in option.flags if flag not in taken)) for option in _common()]
    return [*own, *rest]


def _flags(verb: str) -> list[str]:
    return [flag for option in _options(verb) for flag in option.flags if flag.startswith("--")]


def _first_words(verb: str) -> tuple[str, ...]:
    """What its first argument can only be."""
    return next((argument.words for argument in _command(verb).arguments), ())


def _takes_names(verb: str) -> bool:
    return any(argument.name in ("SVC", "TASK", "WORD") for argument in _command(verb).arguments)


COMMANDS: dict[str, Command] = {
    "completion": Command(
        completion,
        "A script that completes commands, options and the names of services, for bash, zsh or fish. The\n"
        "names are those of the running mesh, else of minimesh.toml; `names` prints just them.",
        (
            ('eval "$(minimesh completion bash)"', "in ~/.bashrc; the same with zsh in ~/.zshrc"),
            ("minimesh completion fish > ~/.config/fish/completions/minimesh.fish", "once"),
        ),
        (Argument("SHELL", "bash, zsh, fish or names", words=("bash", "zsh", "fish")),),
        outputs=("table",),
    )
}
