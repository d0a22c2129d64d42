"""Floor 1: decisions, one file each, pure: `now` and randomness are arguments."""
