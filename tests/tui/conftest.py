"""Times are shown as in UTC, and nothing of the caller's terminal matters."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "COLUMNS", "LINES", "TEXTUAL", "MINIMESH_THEME"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
