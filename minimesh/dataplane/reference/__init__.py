"""HTTP/1.1 once more, on h11: clear rather than fast. The oracle of the fast codec, and its stand-in."""
