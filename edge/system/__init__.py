"""Work with the operating system: writing results to the disk, signals, and keeping native libraries quiet."""
