"""The pages of docs/ that show commands show what they print."""

from pathlib import Path

import pytest

from tests.pages import play, steps

ROOT = Path(__file__).parents[2]
PAGES = [page for page in sorted((ROOT / "docs").glob("*.md")) if steps(page)]


def test_there_are_pages_with_commands() -> None:
    assert "configuration.md" in {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_is_printed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = [name for each in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY") for name in (each, each.lower())]
    for name in ("MINIMESH_FILE", "MINIMESH_PROJECT", "GREETING", "STRIPE_KEY", *proxies):
        monkeypatch.delenv(name, raising=False)
    play(page, tmp_path)
