"""The ``gandem`` command: a group that imports each command when it is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module

import click

from gandem.commands.group import Group

SECTIONS = {
    "Train and resume": ("train", "resume", "runs"),
    "Generate and look": ("generate", "interpolate", "traverse", "mix", "animate", "plot"),
    "Share": ("save", "push", "export", "serve"),
    "Optimize an image": ("style", "project", "directions"),
    "Evaluate and compare": ("evaluate", "compare", "report", "parity"),
    "Catalog and plugins": ("list", "show", "data", "plugins"),
    "Machine": ("doctor", "profile"),
}
"""The commands by purpose; each is ``COMMAND`` in the module of its name."""


class _LazyGroup(Group):
    """A group that imports a command when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = import_module(f"gandem.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.COMMAND
        return command

    def sections(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        return SECTIONS


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.version_option(package_name="gandem")
def main() -> None:
    """Train one GAN spec on PyTorch and on Keras with the same arithmetic."""


if __name__ == "__main__":
    main()
