"""Files that are watched: what a glob means, what is left out, and how a change is noticed."""
