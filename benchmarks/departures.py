"""Measure how far our entries are from the lessons after one step: the table in docs/departures.md.

    python benchmarks/departures.py [--only-write]

The lessons' own models, written in plain Keras or PyTorch, start from the weights of our entry and
make one step in float64 on the same batch and noise. All choices are those of the entry, except
for one. The measured differences are stored in docs/departures.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gandem.core.files import write_file, write_json

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MEASURED, PAGE = DOCS / "departures.json", DOCS / "departures.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True, kw_only=True)
class Departure:
    """One row of the table.

    Attributes:
        choice: what is measured, by the name of an argument of the entry's lesson; empty if
            the step itself is the same.
        option: the option of ``gandem train`` that gives the lesson's choice; empty if there is
            none.
        note: the quantity of two measured numbers, ours and the lesson's, if no step is compared.
    """

    entry: str
    ours: str
    lesson: str
    why: str
    choice: str = ""
    option: str = ""
    note: str = ""


EPSILON = {
    "ours": "Adam's epsilon beside the corrected root, as in algorithm 1 of its paper "
    "and in PyTorch",
    "lesson": "beside the uncorrected root, as Keras has it",
    "why": "one formula on all backends. It matters where gradients are small: at a gradient of "
    "1e-6 the first step of `cgan` is 2.7e-4 here, 7.2e-5 in Keras",
    "choice": "epsilon",
    "option": "--set epsilon_placement=uncorrected",
}
LOGITS = {
    "ours": "the discriminator returns logits, and the loss is computed from them",
    "lesson": "it ends in a sigmoid, and the loss is the cross-entropy of probabilities",
    "why": "the same function, also exact where a sigmoid would round to 0 or 1",
    "choice": "sigmoid",
}
DEPARTURES = (
    Departure(
        entry="cgan",
        ours="the label as constant planes, one per class",
        lesson="repeated and then reshaped in another order: planes that are neither constant nor "
        "one per class",
        why="the lesson describes constant planes",
        choice="planes",
    ),
    Departure(
        entry="cgan",
        ours="a LeakyReLU after the discriminator's second convolution",
        lesson="none there",
        why="the published example of Keras has it",
        choice="activation",
        option="--set discriminator.layers.leaky_relu_1.slope=1.0",
    ),
    Departure(
        entry="cgan",
        ours="real images have the label 1",
        lesson="fake images have the label 1",
        why="as in all other entries. The sign of the logits is swapped: with the weights of the "
        "last layer negated both are the same training",
        choice="label",
    ),
    Departure(entry="cgan", **EPSILON),
    Departure(
        entry="cgan",
        ours="each epoch shuffles all images",
        lesson="a buffer of 1,024 images is shuffled",
        why="every batch is a sample of all images, whatever their order in the file",
    ),
    Departure(entry="upsample-gan", **EPSILON),
    Departure(entry="upsample-gan", **LOGITS),
    Departure(
        entry="upsample-gan",
        ours="the accuracy on 100 real and 100 fake images at each epoch",
        lesson="every 10 epochs",
        why="it is cheap, and a single number says little",
        option="--accuracy-every 10",
    ),
    Departure(
        entry="dcgan",
        ours="initial weights N(0, 0.02²), as in the paper",
        lesson="the defaults of PyTorch",
        why="it is the entry of the paper",
        choice="weights",
        option="--set 'discriminator.layers.conv2d.kernel_init="
        '{kind = "kaiming_uniform", slope = 2.236}\'',
        note="standard deviation of the discriminator's first kernel",
    ),
    Departure(
        entry="dcgan",
        ours="no bias right before batch norm",
        lesson="some layers there have one",
        why="batch norm subtracts it: it cannot change the function and only drifts",
        choice="bias",
    ),
    Departure(entry="dcgan", **LOGITS),
    Departure(entry="dcgan-dropout", **EPSILON),
    Departure(
        entry="dcgan-dropout",
        ours="the running variance of batch norm is unbiased, as in PyTorch",
        lesson="biased, as in Keras",
        why="one definition on all backends. It changes images in inference mode, not the training",
        choice="variance",
        option="--set running_variance=biased",
    ),
    Departure(
        entry="dcgan-dropout",
        ours="batch norm and dropout in training mode",
        lesson="both networks are called without `training=True`, so they are idle",
        why="a known mistake of the lesson: these layers should be active",
        choice="mode",
    ),
    Departure(
        entry="dcgan-dropout",
        ours="each epoch shuffles the images",
        lesson="the same batches in the same order in each epoch",
        why="batches of an epoch are new samples. An order that never changes has no advantage, so "
        "there is no option for it",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-write", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if not options.only_write:
        write_json(MEASURED, measure())
    write_table(json.loads(MEASURED.read_text("utf-8")))


def measure() -> dict[str, float]:
    """Measure each framework in a process of its own, since two in one may abort."""
    differences: dict[str, float] = {}
    for framework in ("keras", "torch"):
        command = [sys.executable, str(HERE / f"lesson_steps_{framework}.py")]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        differences |= json.loads(child.stdout.splitlines()[-1])
    return differences


def write_table(differences: Mapping[str, float]) -> None:
    """Write the table between its two marks in docs/departures.md."""
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    text = f"{before}{BEGIN}\n\n{format_table(differences)}\n\n{END}{after}"
    write_file(PAGE, text.encode())


def format_table(differences: Mapping[str, float]) -> str:
    """Return the table as Markdown."""
    lines = ["| entry | here | in the lesson | why | difference after one step |"]
    lines.append("|---|---|---|---|---|")
    for row in DEPARTURES:
        cells = (f"`{row.entry}`", row.ours, row.lesson, row.why, _distance(row, differences))
        lines.append(f"| {' | '.join(cells)} |")
    for entry in dict.fromkeys(row.entry for row in DEPARTURES):
        lines.append(f"| `{entry}` | all other choices | the same | | {differences[entry]:.1e} |")
    return "\n".join(lines)


def _distance(row: Departure, differences: Mapping[str, float]) -> str:
    """Return the text of the last column."""
    option = f"`{row.option}`" if row.option else ""
    if not row.choice:
        return f"none on the same batch{'; ' + option if option else ''}"
    key = f"{row.entry} {row.choice}"
    if row.note:
        ours, lesson = differences[f"{key}, ours"], differences[f"{key}, lesson"]
        return f"{row.note}: {ours:.2g} here, {lesson:.2g} there; {option}, and so for each layer"
    text = f"{differences[key]:.1e}"
    if row.choice == "label":
        text += f"; {differences[f'{key}, negated']:.1e} with the last layer negated"
    return f"{text}; {differences[f'{key}, option']:.1e} with {option}" if option else text


if __name__ == "__main__":
    main()
