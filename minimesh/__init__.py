"""minimesh: a service mesh in one process, for a project folder."""

__version__ = "0.1.0"
