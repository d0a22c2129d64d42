"""The kit must be able to fail."""

import pytest

from minimesh.testing import ContractError, FakeServerStream, Playbook, PlayError


def test_a_call_that_nobody_expected() -> None:
    with pytest.raises(PlayError, match=r"(?s)- << a1 head PUT / end.*\+ << a1 head GET / end"):  # noqa: SIM117
        with Playbook(kept=1) as it:
            it >> it.caller.begins("GET", "/") << "a1 head PUT / end"


def test_a_call_that_did_not_come() -> None:
    with pytest.raises(PlayError, match="- << caller head 200 end"), Playbook(kept=1) as it:
        it >> it.caller.begins("GET", "/") << "a1 head GET / end" << "caller head 200 end"


def test_unfinished() -> None:
    with pytest.raises(PlayError, match=r"\+ << a1 head GET / end"), Playbook(kept=1) as it:
        it >> it.caller.begins("GET", "/")


def test_not_used_in_a_with_statement() -> None:
    it = Playbook()
    with pytest.raises(RuntimeError, match="with statement"):
        it >> it.caller.begins()


def test_a_second_record_or_none() -> None:
    with Playbook(kept=1) as it:
        it >> it.caller.begins() << "a1 head GET / end"
        with pytest.raises(PlayError, match="0 records"):
            _ = it.record
        it >> it.caller.leaves() << "a1 reset"


def test_a_broken_contract() -> None:
    stream = FakeServerStream("caller", lambda line: None)
    with pytest.raises(ContractError, match="data before the head"):
        stream.send_data(b"x")
