from edge.archive.cli import main

main()
