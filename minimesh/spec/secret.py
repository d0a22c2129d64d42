"""What should not be shown to whoever looks over a shoulder: values whose names say so."""

import re

MASK = "••••••"

_NAME = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|PWD|CREDENTIAL|PRIVATE|COOKIE|SESSION|APIKEY|AUTH(?!OR)"
    r"|(^|[_.-])(PASS|KEY|DSN)([_.-]|$)",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(?<=://)([^:/@\s]*):([^/@\s${}]+)(?=@)")


def is_secret(name: str) -> bool:
    """Whether a variable of this name probably holds a secret."""
    return _NAME.search(name) is not None


def without_password(text: str) -> str:
    """The text with the password of each URL masked: `postgres://shop:••••••@db`."""
    return _IN_URL.sub(rf"\1:{MASK}", text)
