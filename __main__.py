"""``python -m gandem``."""

from gandem.cli import main

main(prog_name="gandem")
