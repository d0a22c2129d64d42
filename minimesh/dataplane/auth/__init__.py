"""The user at the far end of a call: the providers of [auth.*], as gates."""
