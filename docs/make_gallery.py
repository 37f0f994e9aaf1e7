"""Write ``docs/gallery.md``: a grid and an animation of each trained model, and their commands.

::

    python docs/make_gallery.py RUNS NAME...

``RUNS`` is a folder of runs. The pictures of the runs ``NAME...`` are made, and the page is written
of all runs there that have pictures. Commands name a pretrained model instead of a run of its name.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import gandem
from gandem.core.runs import Run

DOCS = Path(__file__).parent
PICTURES = Path("pictures", "gallery")
MAX_BYTES = 6_000_000
SQUARE, ROWS = ("generate", "-n", "49"), ("generate", "-n", "50")
"""Seven rows, and five rows of ten classes."""
GROWTH = ("animate", "--fps", "8", "--colors", "8")
MORPH = ("interpolate", "--frames", "48", "--bounce", "--size", "56", "-n", "6", "--colors", "8")
CLASSES = ("--from", "6", "--to", "7")
HEAD = """
# Gallery

Written by `docs/make_gallery.py`. Each model has a grid of new samples, and an animation: from one
class to another, from one noise vector to another, or over the stages of the training. No sample
was selected. [Results](results.md) has the scores.
"""


def make_gallery(folder: Path, names: list[str]) -> str:
    """Make pictures, write the page, and return a summary.

    Args:
        folder: of runs; names: those whose pictures are made.
    """
    (DOCS / PICTURES).mkdir(parents=True, exist_ok=True)
    for name in names:
        run = gandem.open_run(folder / name)
        for form, (command, *options) in list_commands(run).items():
            out = DOCS / PICTURES / f"{name}.{form}"
            arguments = [command, run.path, *options, "-o", out]
            subprocess.run([sys.executable, "-m", "gandem", *arguments], check=True)
    pictured = sorted(path.stem for path in (DOCS / PICTURES).glob("*.gif"))
    sections = [describe_run(gandem.open_run(folder / name)) for name in pictured]
    (DOCS / "gallery.md").write_text("\n\n".join([HEAD.strip(), *sections]) + "\n", "utf-8")
    total = sum(path.stat().st_size for path in (DOCS / PICTURES).iterdir())
    if total > MAX_BYTES:
        sys.exit(f"{total:,} bytes of pictures, expected at most {MAX_BYTES:,}")
    return f"{len(pictured)} models, {total:,} bytes of pictures"


def list_commands(run: Run) -> dict[str, tuple[str, ...]]:
    """Return the commands of a grid and of an animation, by the suffix of their files."""
    if run.spec.training.stages:
        return {"png": SQUARE, "gif": GROWTH}
    if run.spec.classes:
        return {"png": ROWS, "gif": (*MORPH, *CLASSES)}
    return {"png": SQUARE, "gif": MORPH}


def describe_run(run: Run) -> str:
    """Return the section of a run."""
    name, record = run.path.name, run.record
    is_pretrained = (DOCS.parent / "pretrained" / name).is_dir()
    source = name if is_pretrained else f"runs/{name}"
    link = (PICTURES / name).as_posix()
    lines = [strip_paths(record.first_command)] + [
        shlex.join(["gandem", command, source, *options, "-o", f"{name}.{form}"])
        for form, (command, *options) in list_commands(run).items()
    ]
    facts = (
        f"{record.steps:,} steps, {record.seconds / 60:.0f} minutes on one core, {record.backend}."
    )
    pictures = f"![samples of {name}]({link}.png)\n![an animation of {name}]({link}.gif)"
    return "\n\n".join([f"## {name}", pictures, "```sh\n" + "\n".join(lines) + "\n```", facts])


def strip_paths(command: str) -> str:
    """Return a command without its folder of data.

    >>> strip_paths("gandem train dcgan --data npz:/a/b.npz --data-dir /data --out runs/x")
    'gandem train dcgan --data npz:b.npz --out runs/x'
    """
    words, kept = shlex.split(command), []
    for place, word in enumerate(words):
        if "--data-dir" in (word, words[place - 1]):
            continue
        kind, colon, path = word.rpartition(":")
        kept.append(f"{kind}:{Path(path).name}" if colon and "/" in path else word)
    return shlex.join(kept)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.stdout.write(make_gallery(Path(sys.argv[1]), sys.argv[2:]) + "\n")
