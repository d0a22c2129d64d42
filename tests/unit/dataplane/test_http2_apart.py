"""Each role runs code of its own, and it is the code of the base."""

import pytest

from minimesh.dataplane.http2.apart import apart
from minimesh.dataplane.http2.client import Http2Client
from minimesh.dataplane.http2.client_stream import Http2ClientStream
from minimesh.dataplane.http2.server import Http2Server
from minimesh.dataplane.http2.server_stream import Http2ServerStream
from minimesh.dataplane.http2.stream import Stream
from minimesh.dataplane.http2.windows import Windows


@pytest.mark.parametrize(
    ("base", "one", "other", "name"),
    [
        (Windows, Http2Server, Http2Client, "_data"),
        (Windows, Http2Server, Http2Client, "_credit"),
        (Stream, Http2ServerStream, Http2ClientStream, "send_data"),
        (Stream, Http2ServerStream, Http2ClientStream, "finish"),
    ],
)
def test_what_both_roles_run_is_there_twice(base: type, one: type, other: type, name: str) -> None:
    codes = [getattr(each, name).__code__ for each in (base, one, other)]
    assert len({id(code) for code in codes}) == 3
    assert codes[0] == codes[1] == codes[2]


def test_what_a_class_says_itself_stays() -> None:
    assert "timed_out" in vars(Http2ServerStream)
    assert Http2ServerStream.timed_out.__code__ != Stream.timed_out.__code__


def test_a_copy_finds_the_bases_of_its_class() -> None:
    class Base:
        __module__ = "minimesh.dataplane.http2.made_up"

        def words(self, more: str = "!", *, end: str = "?") -> str:
            return "base" + more + end

    class Middle(Base):
        __module__ = "minimesh.dataplane.http2.made_up"

        def words(self, more: str = "-", *, end: str = ".") -> str:
            return "middle " + super().words(more, end=end)

    @apart
    class Own(Middle):
        pass

    assert "words" in vars(Own)
    assert Own().words() == "middle base-."
    assert Own().words("+", end=";") == Middle().words("+", end=";")
