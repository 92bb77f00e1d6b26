"""Where answers go: tables, files and pictures."""
