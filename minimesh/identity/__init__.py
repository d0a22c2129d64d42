"""Floor 1: certificates as values. Who signs, what is signed, and what is believed of what is shown."""
