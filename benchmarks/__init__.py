"""Figures, each from a command: accuracy, latency and memory on the machine that it runs on."""
