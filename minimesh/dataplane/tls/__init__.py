"""TLS between a socket and what is spoken over it: one transport for both sides, on the standard library's `ssl`."""
