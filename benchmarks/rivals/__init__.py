"""What a user might pick instead: other runtimes for the same network, and other programs for the same task."""
