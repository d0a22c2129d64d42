"""Which port a command line listens on, as far as it tells."""

import re

PORT = 0
"""Instead of a number: what $PORT says."""

_TAKES_PORT = re.compile(
    r"\$\{?PORT\b|process\.env\.PORT|(?<![\w-])(?:puma|gunicorn)(?![\w-])|\brails s(?:erver)?\b|"
    r"\bnext (?:dev|start)\b|\breact-scripts start\b|\bnuxt (?:dev|start)\b|\bgatsby develop\b"
)
_WRITTEN = (
    re.compile(r"(?:^|\s)PORT=(\d{2,5})(?=\s|$)"),
    re.compile(
        r"(?:^|\s)(?:--port|--listen|--bind|--addr|--address|--http-port|-p|-b|-l)[= ]?\s*"
        r"(?:[\w.*\[\]-]*:)?(\d{2,5})(?=\s|$)"
    ),
    re.compile(r"(?:^|\s|=)(?:0\.0\.0\.0|\[::\]|\*)?:(\d{2,5})(?=\s|$)"),
    re.compile(r"(?<![\w-])(?:runserver|http\.server|-S)\s+(?:[\w.\[\]]*:)?(\d{2,5})(?=\s|$)"),
)
_BY_ITSELF = (
    (re.compile(r"\bvite preview\b"), 4173),
    (re.compile(r"(?<![\w-])vite(?! build)(?![\w-])"), 5173),
    (re.compile(r"\bastro dev\b"), 4321),
    (re.compile(r"\bng serve\b"), 4200),
    (re.compile(r"\bwebpack(?:-dev-server| serve)\b"), 8080),
    (re.compile(r"\bstorybook dev\b"), 6006),
    (re.compile(r"\bmanage\.py runserver\b"), 8000),
    (re.compile(r"\bflask (?:.* )?run\b"), 5000),
    (re.compile(r"(?<![\w./-])(?:uvicorn|hypercorn|daphne) "), 8000),
    (re.compile(r"\bfastapi (?:dev|run)\b"), 8000),
    (re.compile(r"\bstreamlit run\b"), 8501),
    (re.compile(r"-m http\.server\b"), 8000),
    (re.compile(r"\bmkdocs serve\b"), 8000),
    (re.compile(r"\bjekyll serve\b"), 4000),
    (re.compile(r"\bhugo serve"), 1313),
    (re.compile(r"\bmix phx\.server\b"), 4000),
)
_WORKS_ALONE = re.compile(
    r"worker|sidekiq|celery|resque|delayed|clock|cron|beat|schedul|queue|consumer|migrat|"
    r"\b(?:build|tsc|tsup|rollup|esbuild|sass|tailwindcss|babel|swc)\b|\bwebpack .*(?:-w\b|--watch)",
    re.IGNORECASE,
)


def listening(command: str) -> int | None:
    """The port that a command line listens on, or PORT; None where it does not say."""
    for pattern in _WRITTEN:
        if (found := pattern.search(command)) and 1 <= int(found[1]) <= 65535:
            return int(found[1])
    if _TAKES_PORT.search(command):
        return PORT
    return next((port for tool, port in _BY_ITSELF if tool.search(command)), None)


def takes_no_calls(name: str, command: str) -> bool:
    """Whether a program without a port looks like one that only works through a queue or a clock."""
    return bool(_WORKS_ALONE.search(name) or _WORKS_ALONE.search(command))
