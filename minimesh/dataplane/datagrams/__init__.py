"""Datagrams that are passed on as they are, in flows with the identity and the counters of requests."""
