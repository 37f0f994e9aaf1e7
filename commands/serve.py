"""``gandem serve``: the page of trained generators, from a server for this machine alone."""

from __future__ import annotations

import os
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click

from gandem.commands.options import CHECKPOINT, EMA, GENERATE_BACKEND, JSON

HOST = "127.0.0.1"


@click.command()
@click.argument("runs", metavar="RUN...", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port."
)
@click.option(
    "--browser/--no-browser",
    default=True,
    show_default="if there is a display",
    help="Open the page in the browser.",
)
@GENERATE_BACKEND
@CHECKPOINT
@EMA
@JSON
def serve(runs: tuple[Path, ...], port: int, browser: bool, as_json: bool, **options: Any) -> None:
    """Show RUN in the browser: samples, morphs, latent vectors.

    RUN is a folder, a pretrained model like cdcgan@mnist, or hf://user/name. The page is that of
    'gandem export --format web'. Only this machine can open it. Ctrl-C ends the server.
    """
    from tempfile import TemporaryDirectory

    from gandem.commands.output import print_json
    from gandem.core.runs.export import export

    with TemporaryDirectory(prefix="gandem-") as folder:
        site = Path(folder) / "site"
        with make_server(site, port) as server:
            export(runs, "web", site, **options)
            address = f"http://{HOST}:{server.server_port}/"
            if as_json:
                print_json({"address": address, "runs": [str(run) for run in runs]})
            else:
                click.echo(f"{address}  Ctrl-C ends the server.")
            if browser and has_display():
                import webbrowser

                webbrowser.open(address)
            server.serve_forever()


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the files in a folder, for this machine only.

    Raises:
        GandemError: the port cannot be used.
    """
    from gandem.core.errors import GandemError

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def end_headers(self) -> None:
            self.send_header("Cache-Control", "no-store")  # another run may have the same address
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise GandemError(
            f"--port {port}: cannot be used ({error.strerror}); choose another, or leave it out "
            "for a free one."
        ) from None


def has_display() -> bool:
    """Return False where a browser could only run in the terminal, which the server needs."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in ("win32", "darwin") or any(map(os.environ.get, names))


COMMAND = serve
