"""What should not be shown to whoever looks over a shoulder: values whose names say so, and those that show it."""

import re

MASK = "••••••"

_NAME = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|PWD|CREDENTIAL|PRIVATE|COOKIE|SESSION|APIKEY|CONNECTION_?STRING"
    r"|AUTH(?!OR(?!I[SZ]))|(^|[_.-])(PASS|KEY|DSN|JWT|PAT|PEM|SALT)([_.-]|$)",
    re.IGNORECASE,
)
# Names of where a secret is, or of how one is used.
_ABOUT = re.compile(r"[_.-](FILE|PATH|DIR|MODE|TIMEOUT|TTL)$", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)([^:/@\s]*):([^/\s${}]+)(?=@)")
# NAME=value as shells, URLs and database drivers write it, and --name value.
_PAIR = re.compile(r"""(?<![\w.-])([A-Za-z-][\w.-]*)(=)("[^"$]*"|'[^'$]*'|[^\s&;,"'$]+)""", re.ASCII)
_OPTION = re.compile(r"""(?<!\S)(--?[A-Za-z][\w-]*)(\s+)("[^"$]*"|'[^'$]*'|[^\s"'$-]\S*)""", re.ASCII)
_FLAG = re.compile(r"--?[A-Za-z][\w-]*", re.ASCII)
_BEARER = re.compile(r"\b(Bearer|Basic)(\s+)([^\s\"'$]{6,})", re.IGNORECASE)
# What well-known services give out, told by how it begins.
_ISSUED = re.compile(
    r"(?<![\w-])(?:gh[pousr]_\w{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}|sk[-_][\w-]{16,}"
    r"|[rs]k_(?:live|test)_\w{8,}|AKIA[A-Z0-9]{16}|AIza[\w-]{30,}|npm_\w{30,}|mmk_[a-z2-7]{8}_[\w-]{43}|eyJ[\w-]+\.[\w-]+\.[\w-]*)"
    r"|\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.ASCII | re.DOTALL,
)


def is_secret(name: str) -> bool:
    """Whether a variable, or an option, of this name probably holds a secret."""
    return _NAME.search(name) is not None and not _ABOUT.search(name)


def without_secrets(text: str) -> str:
    """The text with what is secret in it masked: `postgres://shop:••••••@db`, `--token ••••••`; ${…} stays."""
    text = _IN_URL.sub(rf"\1:{MASK}", text)
    text = _BEARER.sub(rf"\1\2{MASK}", text)
    for named in (_PAIR, _OPTION):
        text = named.sub(_masked, text)
    return _ISSUED.sub(MASK, text)


def arguments_without_secrets(words: list[object]) -> list[object]:
    """A command in words, what follows an option with a secret name masked."""
    return [MASK if _follows(option, word) else word for option, word in zip(["", *words], words, strict=False)]


def _follows(option: object, word: object) -> bool:
    named = isinstance(option, str) and _FLAG.fullmatch(option) is not None and is_secret(option)
    return named and isinstance(word, str) and not word.startswith(("-", "$"))


def _masked(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}{MASK}" if is_secret(pair[1]) else pair[0]
