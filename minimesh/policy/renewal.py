"""When a certificate is renewed."""

HALF, JITTER = 0.5, 0.1
RETRY_FIRST, RETRY_LAST = 1.0, 60.0


def renew_at(issued: float, not_after: float, chance: float) -> float:
    """At half of its life, or up to a tenth of that earlier, so that what was issued at once is not all renewed at
    once. issued, not_after: wall seconds; chance: at random, 0 to 1."""
    return issued + (not_after - issued) * HALF * (1 - JITTER * chance)


def is_due(now: float, due: float, not_before: float) -> bool:
    """Also where the clock was set back: what is not valid yet helps nobody."""
    return now >= due or now < not_before


def retry_in(failures: int, chance: float) -> float:
    """Seconds until it is tried again after it failed so often in a row, at least once."""
    return min(RETRY_LAST, RETRY_FIRST * 2.0 ** min(failures - 1, 10)) * (0.5 + chance / 2)
