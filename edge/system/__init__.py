"""Work with the operating system: the disk, signals, the command line, and keeping native libraries quiet."""
