"""Fetch TensorFlow.js for the page of the web export: ``python docs/fetch_tensorflow_js.py``.

The files are those of the packages, byte for byte; ``runtime/SHA256SUMS`` holds their digests. The
page uses the operations of the library and its backend in plain JavaScript, which needs no GPU, no
WebAssembly and no other file, and rounds in the same way on every device.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "4.22.0"
FILES = {"tf-core.min.js": "tfjs-core", "tf-backend-cpu.min.js": "tfjs-backend-cpu"}
"""The files of the folder ``dist`` of the packages ``@tensorflow/…``."""
FOLDER = Path(__file__).parents[1] / "exporters" / "web" / "runtime"
SUMS = FOLDER / "SHA256SUMS"


def fetch_file(name: str, package: str) -> bytes:
    """Return a file of a package."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"@tensorflow/{package}@{VERSION}"]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        with tarfile.open(Path(folder) / done.stdout.strip()) as archive:
            file = archive.extractfile(f"package/dist/{name}")
            assert file is not None
            return file.read()


def main() -> None:
    """Write the files and their digests; read the difference before a commit."""
    lines = []
    for name, package in FILES.items():
        content = fetch_file(name, package)
        (FOLDER / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
    SUMS.write_text("".join(lines), "ascii")


if __name__ == "__main__":
    main()
