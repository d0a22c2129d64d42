"""Connections whose bytes are passed on as they are, with the identity and the counters of requests."""
