"""Names of other tools made to fit, each once."""

from collections.abc import Iterable, Mapping

from minimesh.spec.names import MAX_LENGTH, RESERVED, fitting


def fit(names: Iterable[str]) -> Mapping[str, str]:
    """By the name in another file, a name as minimesh.toml takes it, no two alike. A name that fits is kept."""
    given = list(dict.fromkeys(names))
    # Those that fit have the first choice.
    order = sorted(given, key=lambda name: fitting(name) != name)
    taken: dict[str, str] = {}
    for name in order:
        wanted = fitting(name)
        if wanted in RESERVED:
            wanted = f"my-{wanted}"
        final, number = wanted, 1
        while final in taken:
            number += 1
            final = f"{wanted[: MAX_LENGTH - 5].rstrip('-')}-{number}"
        taken[final] = name
    by_name = {name: final for final, name in taken.items()}
    return {name: by_name[name] for name in given}


def renamed(name: str, final: str) -> tuple[str, ...]:
    """What is lost by a change of name; nothing where it is the same."""
    return () if name == final else (f"it is `{name}` there: names are a to z, 0 to 9 and -, from a letter",)
