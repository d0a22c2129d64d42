"""Floor 1: minimesh.toml in, model out; every mistake at once, with line and suggestion."""
