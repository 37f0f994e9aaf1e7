"""``python -m gandem``, and the command ``gandem``."""

from gandem.core.signals import exit_on_early_interrupt


def main() -> None:
    """Run the command."""
    exit_on_early_interrupt()  # before the imports, which take a while
    from gandem.cli import main as command

    command(prog_name="gandem")


if __name__ == "__main__":
    main()
