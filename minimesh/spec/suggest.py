"""Did you mean …?"""

from collections.abc import Iterable
from functools import lru_cache


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that somebody who typed the word most likely meant, if there is one."""
    near = tuple(candidate for candidate in candidates if abs(len(candidate) - len(word)) <= 3)
    return _closest(word, near)


@lru_cache(maxsize=256)
def _closest(word: str, candidates: tuple[str, ...]) -> str | None:
    import difflib  # noqa: PLC0415 - only mistakes pay for it

    matches = difflib.get_close_matches(word.lower(), candidates, n=1, cutoff=0.65)
    return matches[0] if matches else None
