"""`minimesh completion`: what a shell asks when Tab is pressed."""

from __future__ import annotations

from minimesh.cli.context import Context
from minimesh.cli.errors import Exit
from minimesh.cli.options import Argument, Command
from minimesh.cli.values import choice
from minimesh.cli.verbs import VERBS

_NAMED = ("env", "exec", "logs", "restart", "start", "stat", "stop", "tap", "up")
"""Commands after which the names of services are offered."""

_BASH = """\
_minimesh() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{verbs}" -- "$word"))
  else
    case "${{COMP_WORDS[1]}}" in
      {named}) COMPREPLY=($(compgen -W "$(minimesh ps -a -q 2>/dev/null)" -- "$word")) ;;
    esac
  fi
}}
complete -o default -F _minimesh minimesh
"""
_ZSH = """\
#compdef minimesh
_minimesh() {{
  if (( CURRENT == 2 )); then
    local -a verbs=({described})
    _describe command verbs
  else
    case "$words[2]" in
      {named}) compadd -- ${{(f)"$(minimesh ps -a -q 2>/dev/null)"}} ;;
      *) _files ;;
    esac
  fi
}}
compdef _minimesh minimesh
"""


def completion(context: Context, *, shell: str) -> int:
    """A script for the shell; it asks `minimesh ps -q` for the names of services."""
    context.out.stream.write(script(choice("bash", "zsh", "fish")(shell)))
    return Exit.OK


def script(shell: str) -> str:
    """The text for bash, zsh or fish."""
    named = "|".join(_NAMED)
    if shell == "bash":
        return _BASH.format(verbs=" ".join(VERBS), named=named)
    if shell == "zsh":
        described = " ".join(f"'{name}:{verb.summary}'" for name, verb in VERBS.items())
        return _ZSH.format(described=described, named=named)
    lines = ["complete -c minimesh -f"]
    lines += [
        f"complete -c minimesh -n __fish_use_subcommand -a {name} -d '{verb.summary}'" for name, verb in VERBS.items()
    ]
    condition = f"__fish_seen_subcommand_from {' '.join(_NAMED)}"
    lines.append(f"complete -c minimesh -n '{condition}' -a '(minimesh ps -a -q 2>/dev/null)'")
    return "\n".join(lines) + "\n"


COMMANDS: dict[str, Command] = {
    "completion": Command(
        completion,
        "A script that completes commands and the names of services, for bash, zsh or fish.",
        (
            ('eval "$(minimesh completion bash)"', "in ~/.bashrc"),
            ("minimesh completion fish > ~/.config/fish/completions/minimesh.fish", "once"),
        ),
        (Argument("SHELL", "bash, zsh or fish"),),
        outputs=("table",),
    )
}
