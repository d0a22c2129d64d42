"""What a parser of a text says of it, before anybody knows where the text stands."""


class TextError(Exception):
    """`fix` is the value as it should be written in TOML, quotes included; None: no good guess."""

    def __init__(self, code: str, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
