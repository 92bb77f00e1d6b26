"""Work with the operating system: paths, tables, the disk, signals, the command line, quiet native libraries."""
