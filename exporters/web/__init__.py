"""Web pages that generate images in the browser, without a server and without a connection."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar

import numpy as np

from gandem.core.export import Exporter, ExportNetwork
from gandem.exporters.web.description import check_network, describe_network, list_facts, name_model

__all__ = ["Space", "Web"]

FOLDERS = ("page", "runtime")
"""The folders of this package whose files are those of the page."""
CALL = "addNetwork("
"""The function of ``page.js`` that a file of a network calls."""


class Web(Exporter):
    """A static page: ``index.html`` opens from disk, and from any web server.

    Browsers load no data from disk but scripts, so a network is a script: a call with its layers,
    and its weights as a safetensors file in Base64.
    """

    labels: ClassVar[tuple[str, ...]] = ("weights",)
    takes_several: ClassVar[bool] = True

    def check(self, network: ExportNetwork) -> None:
        """Check that the page can show a network."""
        check_network(network)

    def write(self, path: Path, *networks: ExportNetwork) -> None:
        """Write the page to a new folder."""
        path.mkdir()
        for source in _list_files():
            (path / source.name).write_bytes(source.read_bytes())
        listed = []
        for number, network in enumerate(networks, 1):
            name = f"network-{number}.js"
            text = json.dumps(describe_network(network), separators=(",", ":"))
            (path / name).write_text(f"{CALL}{text});\n", "ascii")
            listed.append({"name": network.name, "file": name, "title": name_model(network)})
        titles = [entry["title"] for entry in listed]
        for entry in listed:
            if titles.count(entry["title"]) > 1:
                entry["title"] += f": {entry['name']}"
        text = json.dumps(listed, indent=2)
        (path / "networks.js").write_text(f"const NETWORKS = {text};\n", "ascii")

    def load(self, path: Path, network: ExportNetwork) -> dict[str, np.ndarray]:
        """Return the arrays that the page has."""
        from safetensors.numpy import load

        for file in path.glob("network-*.js"):
            text = file.read_text("ascii")
            described = json.loads(text[len(CALL) : text.rindex(")")])
            if described["name"] == network.name:
                return load(base64.b64decode(described["weights"]))
        raise AssertionError


class Space(Web):
    """A static page with the ``README.md`` that a static Space of Hugging Face needs."""

    def write(self, path: Path, *networks: ExportNetwork) -> None:
        """Write the page and its ``README.md`` to a new folder."""
        super().write(path, *networks)
        title = networks[0].spec.name if len(networks) == 1 else "Generated images"
        front = {
            "title": title,
            "emoji": "🎲",
            "colorFrom": "blue",
            "colorTo": "gray",
            "sdk": "static",
            "app_file": "index.html",
            "pinned": False,
            "short_description": "Images of a GAN, made in the browser",
            "tags": ["gandem", "gan", "image-generation"],
        }
        lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items()]
        text = "\n".join(["---", *lines, "---", "", f"# {title}", "", INTRODUCTION, ""])
        for network in networks:
            rows = [f"- {name}: {value}" for name, value in list_facts(network)]
            text += "\n".join(["", f"## {name_model(network)}", "", *rows, ""])
        (path / "README.md").write_text(text, "utf-8")


INTRODUCTION = """\
A page that generates images in the browser, with TensorFlow.js and without a server, written by
gandem."""


def _list_files() -> Iterator[Traversable]:
    """Yield the files of the page that are the same for all networks."""
    for folder in FOLDERS:
        for file in (files(__package__) / folder).iterdir():
            if file.name.endswith((".html", ".css", ".js", ".txt")):
                yield file
