"""A log-linear histogram of durations: 16 buckets to each power of two microseconds.

The relative error of a value read back is at most 1/32 (half a bucket), for any duration up to about 71 minutes.
The scheme is that of HdrHistogram (Tene) with four significant bits.
"""

from collections.abc import Mapping, Sequence

_BITS = 4
_STEPS = 1 << _BITS
_LARGEST = (1 << 32) - 1
BUCKETS = (32 - _BITS + 1) << _BITS


def bucket_of(micros: int) -> int:
    """The bucket of a duration in whole microseconds; negative counts as 0, the largest bucket is open."""
    if micros < _STEPS:
        return max(micros, 0)
    micros = min(micros, _LARGEST)
    shift = micros.bit_length() - _BITS - 1
    return (shift << _BITS) + (micros >> shift)


def bounds_of(bucket: int) -> tuple[int, int]:
    """The first and the last whole microsecond that fall into a bucket."""
    if bucket < 2 * _STEPS:
        return bucket, bucket
    shift = (bucket >> _BITS) - 1
    low = (_STEPS + (bucket & (_STEPS - 1))) << shift
    return low, low + (1 << shift) - 1


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The duration in seconds below which `share` (0 to 1) of what was counted lies; None of nothing."""
    return quantiles(dict(enumerate(counts)), (share,))[0]


def quantiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """As `quantile`, for shares in ascending order, out of counts by bucket."""
    total = sum(counts.values())
    if not total:
        return [None] * len(shares)
    found: list[float | None] = []
    seen = 0
    buckets = iter(sorted(counts.items()))
    bucket = 0
    for share in shares:
        rank = _rank(share, total)
        while seen < rank:
            bucket, count = next(buckets)
            seen += count
        low, high = bounds_of(bucket)
        found.append((low + high) / 2e6)
    return found


def _rank(share: float, total: int) -> int:
    return max(1, min(total, -(-int(share * total * 1_000_000) // 1_000_000)))
