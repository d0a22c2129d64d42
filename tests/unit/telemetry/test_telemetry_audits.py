"""What would have been decided otherwise: counted, told once a minute, and never without bound."""

from minimesh.telemetry.audits import MOST, REST, Audits


def test_the_first_is_told_at_once_and_the_same_again_after_a_minute() -> None:
    audits = Audits()
    assert audits.news(0.0) == []
    audits.note("web", "orders", False, "minimesh.toml:7", "GET /a")
    assert [str(each) for each in audits.news(1.0)] == ["minimesh.toml:7 would refuse web -> orders: GET /a"]
    for path in ("/b", "/c"):
        audits.note("web", "orders", False, "minimesh.toml:7", f"GET {path}")
    assert audits.news(REST) == []
    (again,) = audits.news(REST + 1.0)
    assert str(again) == "minimesh.toml:7 would refuse web -> orders, 2 times, the last: GET /c"
    audits.note("web", "orders", True, "minimesh.toml:8", "GET /a")
    assert [each.allowed for each in audits.news(REST + 1.0)] == [True]


def test_it_is_bounded() -> None:
    audits = Audits()
    for number in range(MOST + 10):
        audits.note("web", "orders", False, f"minimesh.toml:{number}", "GET /")
    assert len(audits.news(0.0)) == MOST
