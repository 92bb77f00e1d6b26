"""What the operating system is asked for: the disk, signals, and silence from native libraries."""
