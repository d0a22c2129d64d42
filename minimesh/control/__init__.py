"""Floor 3: the running mesh. Joins the floors below, and answers on the control socket what it is and does."""
