"""Pictures read by several processes at once, with the answers that one process gives."""
