"""Measurements against named alternatives, all on one machine in one run: `make bench`, `make proof`."""
