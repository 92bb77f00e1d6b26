from pi.cli import main

main()
