from edge.simulator.cli import main

main()
