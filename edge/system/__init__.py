"""What the operating system does for us: results that reach the disk, signals, and quiet native libraries."""
