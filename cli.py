"""The `gandem` command: all commands under one name."""

from __future__ import annotations

from importlib import import_module

import click

from gandem.commands.frame import Group

__all__ = ["main"]

ROOMS = {
    "looking": ("list", "show", "data", "runs", "plugins", "doctor"),
    "training": ("train", "resume"),
    "making": ("generate", "interpolate", "traverse", "animate", "plot"),
    "measuring": ("parity", "check", "profile", "evaluate", "bench-quality", "demo"),
    "comparing": ("compare", "report"),
    "writing": ("plugin",),
}
"""The modules of :mod:`gandem.commands` and the names of their commands: a room is imported when
one of its commands is asked for, since nobody who looks around shall wait for the rest.
"""


class Rooms(Group):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(name for names in ROOMS.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for room, names in ROOMS.items():
            if cmd_name in names and cmd_name not in self.commands:
                for command in import_module(f"gandem.commands.{room}").COMMANDS:
                    self.add_command(command)
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=Rooms, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="gandem")
def main() -> None:
    """Train one GAN spec on PyTorch and on Keras, step for step the same."""


if __name__ == "__main__":
    main()
