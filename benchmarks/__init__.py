"""Figures, each from a command: accuracy and latency on the machine that it runs on."""
