"""The Textual app: a client of the control API like any other, in a process of its own."""
