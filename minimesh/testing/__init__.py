"""Shipped for tests: virtual clock, fake streams, playbooks, conformance suites."""
