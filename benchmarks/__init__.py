"""Measures accuracy, latency and memory on this machine. The figures in the documentation come from these commands."""
