"""Floor 2: what outlives a run. SQLite with migrations, and the key files of the authority."""
