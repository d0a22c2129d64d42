"""How many columns of a terminal a text takes, and as much of one as fits."""


def width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    import unicodedata  # noqa: PLC0415 - hardly ever needed

    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def shorten(text: str, columns: int, mark: str = "…") -> str:
    """The text, or as much of its beginning as fits with a mark at the end."""
    if width(text) <= columns:
        return text
    room = columns - width(mark)
    kept = 0
    for character in text:
        room -= width(character)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + mark
