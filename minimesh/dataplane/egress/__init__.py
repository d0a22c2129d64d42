"""Calls that leave the mesh: a forward proxy for each caller, and what it reaches."""
