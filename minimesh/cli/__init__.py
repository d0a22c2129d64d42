"""Floor 4: the commands; a client of the control API."""
