"""What a mesh in another process is told is what it was meant to be told."""

from pathlib import Path

import pytest

from minimesh.control.arguments import parse, words
from minimesh.control.report import UpOptions

ROOT = Path("/shop")


@pytest.mark.parametrize(
    "options",
    [
        UpOptions(ROOT),
        UpOptions(ROOT, ROOT / "minimesh.toml", only=("web", "api")),
        UpOptions(
            ROOT,
            ROOT / "-f.toml",
            only=("web",),
            further=(ROOT / "a.toml", ROOT / "--b.toml"),
            overrides=("gateway.http=7444", "--x=1", "a.b = two words"),
            profiles=("full", "debug"),
            watch=True,
        ),
    ],
)
def test_words_and_back(options: UpOptions) -> None:
    assert parse(words(options)) == (options, False)
    assert parse([*words(options), "--detached"]) == (options, True)
