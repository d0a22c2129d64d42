"""Messages of gRPC are counted however their bytes are sliced."""

from hypothesis import given
from hypothesis import strategies as st

from minimesh.dataplane.grpc import Messages


def framed(sizes: list[int]) -> bytes:
    return b"".join(b"\1" + size.to_bytes(4, "big") + bytes(size) for size in sizes)


@given(st.lists(st.integers(0, 40), max_size=20), st.data())
def test_in_any_slices(sizes: list[int], data: st.DataObject) -> None:
    whole = framed(sizes)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=30)))
    messages = Messages()
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        messages.pass_on(whole[begin:end])
    assert messages.count == len(sizes)


def test_byte_by_byte_and_not_before_its_length_is_known() -> None:
    messages = Messages()
    seen = []
    for byte in framed([0, 3]):
        messages.pass_on(bytes([byte]))
        seen.append(messages.count)
    assert seen == [0] * 4 + [1] * 5 + [2] * 4


def test_a_message_is_as_long_as_it_says() -> None:
    messages = Messages()
    messages.pass_on(b"\0\xff\xff\xff\xff")
    for _ in range(3):
        messages.pass_on(bytes(65536))
    assert messages.count == 1
