"""A Ctrl-C is not lost."""

import signal
import sys

A_MOMENT = 0.001
"""Seconds; until what could not be raised is raised again."""


def insist() -> None:
    """Has a KeyboardInterrupt come again that came up where Python can only ignore it.

    That is in finalizers and callbacks of weak references; each import has some.
    """
    hook = sys.unraisablehook

    def again(unraisable: "sys.UnraisableHookArgs", /) -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, A_MOMENT)
        else:
            hook(unraisable)

    sys.unraisablehook = again
