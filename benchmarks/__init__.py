"""Ratios of two things timed alternately in one run. `make bench` prints one JSON object each."""
