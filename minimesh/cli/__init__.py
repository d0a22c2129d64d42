"""Floor 4: the commands; a client of the control API.

Importing this package imports nothing else: a command pays only for what it uses (`minimesh ps` < 0.15 s).
"""


def main() -> int:
    """Runs the command of `sys.argv` and returns its exit code (`minimesh.cli.errors.Exit`)."""
    import sys  # noqa: PLC0415 - see above

    try:
        from minimesh.cli.interrupt import insist  # noqa: PLC0415

        insist()
        from minimesh.cli.app import run  # noqa: PLC0415

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before there was anything to interrupt
        sys.stderr.write("\n")
        return 130
