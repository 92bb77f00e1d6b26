"""Measures accuracy, latency and memory on this machine; each figure in the documentation comes from a command here."""
