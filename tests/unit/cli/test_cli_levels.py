"""Levels of log lines, in the formats of real programs."""

import pytest

from minimesh.cli.levels import at_least, level_of


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ('{"level":"warn","msg":"x"}', "warn"),
        ('{"severity":"ERROR","message":"x"}', "error"),
        ('{"level":30,"time":1,"msg":"pino"}', "info"),
        ('{"level":50,"msg":"pino"}', "error"),
        ('{"level":"20"}', "debug"),
        ('{"log.level":"error"}', "error"),
        ('{"log":{"level":"warn"}}', "warn"),
        ('{"levelname": "CRITICAL"}', "error"),
        ('{"level": true, "msg": "ERROR"}', None),
        ('{"level": 1' + "0" * 400 + "}", "error"),
        ("{not json ERROR", None),
        ('time="2026-01-31T12:00:00Z" level=warning msg="logrus"', "warn"),
        ("ts=1 lvl=eror msg=x", "error"),
        ("level=info msg=ERROR", "info"),
        ("2026-01-31 12:00:00,123 - app.db - ERROR - gone", "error"),
        ("WARNING:root:python logging", "warn"),
        ("INFO:     127.0.0.1:1 - GET /ERROR 200", "info"),
        ("[2026-01-31 12:00:00 +0000] [7] [INFO] Booting worker", "info"),
        ("2026/01/31 12:00:00 [error] 7#7: *1 connect() failed", "error"),
        ("ERROR: it failed", "error"),
        ("Error: Cannot find module 'x'", "error"),
        ("npm ERR! code ELIFECYCLE", "error"),
        ("E0131 12:00:00.123456    1 main.go:7] klog", "error"),
        ("I0131 12:00:00.123456    1 main.go:7] klog", "info"),
        ("\x1b[33mWARN\x1b[0m coloured", "warn"),
        ("2026-01-31T12:00:00Z  WARN tracing: rust", "warn"),
        ("panic: runtime error", "error"),
        ("Traceback (most recent call last):", "error"),
        ("KeyError: 'STRIPE_KEY'", "error"),
        ("sqlalchemy.exc.OperationalError: gone", "error"),
        ("app.py:3: DeprecationWarning: old", "warn"),
        ("  File 'app.py', line 3", None),
        ("GET /errors/info 200", None),
        ("listening on 8080", None),
        ("the warning-light is on", None),
        ("[ınfo] the lower case of a Turkish locale", None),
        ("", None),
    ],
)
def test_the_level_of_a_line(line: str, level: str | None) -> None:
    assert level_of(line) == level


def test_a_stack_trace_stays_with_its_error_and_streams_are_apart() -> None:
    passes = at_least("error")
    out, err = ("web", 1, "stdout"), ("web", 1, "stderr")
    shown = [
        text
        for stream, text in [
            (out, "starting"),
            (err, "ERROR: it failed"),
            (out, "INFO fine"),
            (err, "  at f (x.js:1)"),
            (err, "  at g (x.js:2)"),
            (out, "still fine"),
            (err, "INFO recovered"),
            (err, "  detail"),
        ]
        if passes(stream, text)
    ]
    assert shown == ["ERROR: it failed", "  at f (x.js:1)", "  at g (x.js:2)"]


def test_what_says_nothing_is_information() -> None:
    assert at_least("info")(("a", 1, "stdout"), "hello")
    assert not at_least("warn")(("a", 1, "stdout"), "hello")
