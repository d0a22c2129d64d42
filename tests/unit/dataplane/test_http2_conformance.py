"""Every codec of HTTP/2 passes the suite that ships with the test kit."""

from collections import Counter

import pytest

from minimesh.dataplane.codec import Codec
from minimesh.dataplane.reference import CODECS
from minimesh.testing.conformance.http2 import CASES, Case


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_codec(codec: Codec, case: Case) -> None:
    case.check(codec)


def test_each_case_has_a_name_of_its_own() -> None:
    names = Counter(case.name for case in CASES)
    assert [name for name, count in names.items() if count > 1] == []
