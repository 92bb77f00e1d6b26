"""Compares with what a user might choose instead: other runtimes for the network, and other programs for the task."""
