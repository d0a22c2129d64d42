"""The api that the tests of transcoding ask, as protoc compiled it."""

from pathlib import Path

LIBRARY = Path(__file__).with_name("library.pb").read_bytes()
