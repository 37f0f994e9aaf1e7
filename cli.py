"""The `gandem` command: all commands under one name."""

from __future__ import annotations

import click

from gandem.commands import comparing, looking, making, measuring, training, writing
from gandem.commands.frame import Group

__all__ = ["main"]


@click.group(
    cls=Group, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="gandem")
def main() -> None:
    """Train one GAN spec on PyTorch and on Keras, step for step the same."""


for room in (looking, training, making, measuring, comparing, writing):
    for command in room.COMMANDS:
        main.add_command(command)

if __name__ == "__main__":
    main()
