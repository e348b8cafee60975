"""`python -m dialerd.cli`, where the command itself is not on the path."""

from dialerd.cli import main

main()
