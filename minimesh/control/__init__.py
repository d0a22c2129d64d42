"""Floor 3: the running mesh, which owns and joins everything below; the control API and its client."""
