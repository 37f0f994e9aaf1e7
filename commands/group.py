"""Command groups: errors of one line, suggestions for misspelled names, and help in sections."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from gandem.commands.output import DISK_FULL, find_lost_output, prepare_streams
from gandem.core.signals import EXIT_CODE, exit_on_interrupt

SAVING = {
    *("train", "resume", "generate", "interpolate", "traverse", "mix", "animate", "plot"),
    *("project", "directions", "style", "compare", "report", "export", "save", "push"),
}
"""The commands that save their result to files; they succeed although their output is lost."""
UNUSABLE = (
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EMFILE, errno.ENFILE, errno.EIO),
)
"""Error numbers for paths and machines that cannot be used; in gandem's code none is a mistake."""


class OneLineUsageError(click.ClickException):
    """Wrong usage of a command, reported in one line."""

    exit_code = 2


class Interrupted(click.ClickException):
    """Ctrl-C or another signal outside of a training, or for the second time."""

    exit_code = EXIT_CODE

    def show(self, file: Any = None) -> None:
        """Print the message without a prefix."""
        click.echo(self.message, err=True)


class Group(click.Group):
    """A group of commands, in sections, that reports every user error in one line."""

    def main(self, *args: Any, **extra: Any) -> Any:
        prepare_streams()
        return super().main(*args, **extra)

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with errors_in_one_line():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with errors_in_one_line(ctx), exit_on_interrupt():
            result = super().invoke(ctx)
        if problem := find_lost_output():
            message = f"The output: cannot be written ({problem})."
            if ctx.invoked_subcommand not in SAVING:
                raise click.ClickException(message)
            click.echo(f"Warning: {message}", err=True)
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in self.sections(ctx).items():
            commands = {name: self.get_command(ctx, name) for name in names}
            with formatter.section(title):
                formatter.write_dl(
                    [
                        (name, command.get_short_help_str(1000))  # never cut: the help wraps it
                        for name, command in commands.items()
                        if command
                    ]
                )

    def sections(self, ctx: click.Context) -> Mapping[str, Sequence[str]]:
        """Return the names of the commands by the title of their section."""
        return {"Commands": self.list_commands(ctx)}

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from gandem.core.errors import suggest

        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(
                f"No command named {args[0]!r}.{suggest(args[0], self.list_commands(ctx))}", ctx
            )
        return super().resolve_command(ctx, args)


class SectionedCommand(click.Command):
    """A command whose help lists the options in sections.

    Args:
        sections: the names of parameters by title; the remaining options come last.
    """

    def __init__(self, *args: Any, sections: Mapping[str, tuple[str, ...]], **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        options = [p for p in self.get_params(ctx) if isinstance(p, click.Option)]
        records = {option.name: option.get_help_record(ctx) for option in options}
        sections = {
            title: [records.pop(name) for name in names] for title, names in self.sections.items()
        }
        for title, rows in (*sections.items(), ("Output", list(records.values()))):
            with formatter.section(title):
                formatter.write_dl([row for row in rows if row is not None])


@contextlib.contextmanager
def errors_in_one_line(group: click.Context | None = None) -> Iterator[None]:
    """Turn user errors, errors of plugins, full disks, lack of memory and Ctrl-C into messages of
    one line.

    Args:
        group: of the group whose command runs in the block.
    """
    from gandem.core.errors import GandemError, shorten

    try:
        yield
    except GandemError as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    except MemoryError as error:
        raise click.ClickException("There is not enough memory; ask for less.") from error
    except OSError as error:
        if error.errno not in (*DISK_FULL, *UNUSABLE):
            raise
        path = error.filename or "The output"
        verb = "written" if error.errno in DISK_FULL else "used"
        line = shorten(f"{path}: cannot be {verb} ({error.strerror}).")
        raise click.ClickException(line) from error
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # click 8.2 prints the help with it
            raise
        command = error.ctx.command_path if error.ctx else "gandem"
        if not error.ctx and group and group.invoked_subcommand:  # an option without its value
            command = f"{group.command_path} {group.invoked_subcommand}"
        message = " ".join(error.format_message().split())
        period = "" if message.endswith((".", "?")) else "."
        raise OneLineUsageError(f"{message}{period} See '{command} --help'.") from None
    except KeyboardInterrupt:
        raise Interrupted("Interrupted.") from None
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except (Exception, SystemExit) as error:
        from gandem.core.plugins.loading import describe_plugin_error

        line = describe_plugin_error(error) if os.environ.get("GANDEM_TRACE") != "1" else ""
        if not line:
            raise
        raise click.ClickException(line) from error
