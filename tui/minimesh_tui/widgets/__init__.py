"""Pieces of the screens; each draws lines itself, none lays out or measures anything per frame."""
