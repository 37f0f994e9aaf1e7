"""One backend's part of a parity measurement, in a process of its own: ``python -m
gandem.core.parity.worker REQUEST``.

It writes the weights at each mark to the request's folder, and a line on standard output after each
step.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gandem.core.errors import GandemError
from gandem.core.registry import load_backend, load_dataset, load_objective
from gandem.core.spec import Spec, from_json
from gandem.core.training import Engine, Feed, initial_state, nudge, weights

__all__ = ["Request", "main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one process shall do.

    Attributes:
        spec: as JSON.
        folder: where results go.
        marks: the steps, counted from 1, after which weights are kept.
        twin: begin with every weight moved by one unit in the last place.
        states: keep the whole state before each mark's step.
        forced: a folder of such states; only the marks' steps are made, each from the state kept
            there.
    """

    spec: str
    backend: str
    folder: str
    data: str
    seed: int
    precision: str
    device: str
    marks: tuple[int, ...]
    twin: bool = False
    states: bool = False
    forced: str | None = None

    def to_json(self) -> str:
        """Return the request as one argument of a command."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Request:
        """Read what :meth:`to_json` wrote."""
        data = json.loads(text)
        return cls(**data | {"marks": tuple(data["marks"])})


def main(argument: str) -> int:
    """Carry out a request; a mistake of the user's becomes one line on standard error."""
    try:
        _carry_out(Request.from_json(argument))
    except GandemError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _carry_out(request: Request) -> None:
    spec = from_json(request.spec)
    backend = load_backend(request.backend)
    objective = load_objective(spec.objective)
    feed = Feed(spec, objective, load_dataset(request.data), request.seed, request.precision)
    state = initial_state(spec, request.seed, request.precision)
    if request.twin and request.forced is None:
        state = nudge(spec, state, request.seed)
    device = request.device
    engine = backend.engine(spec, state, precision=request.precision, device=device)
    folder = Path(request.folder)
    _keep(folder / "start.npz", weights(spec, engine.export()))
    if request.forced is None:
        losses = _walk(request, spec, engine, feed, folder)
    else:
        losses = _forced(request, spec, engine, feed, folder)
    np.save(folder / "losses.npy", np.array(losses))


def _walk(
    request: Request, spec: Spec, engine: Engine, feed: Feed, folder: Path
) -> list[list[float]]:
    """Train straight through to the last mark."""
    losses = []
    for step in range(request.marks[-1]):
        marked = step + 1 in request.marks
        if marked and request.states:
            _keep(folder / f"state-{step + 1}.npz", engine.export())
        losses.append(list(engine.read(engine.step(feed(step))).values()))
        if marked:
            _keep(folder / f"mark-{step + 1}.npz", weights(spec, engine.export()))
        _tell(step + 1)
    return losses


def _forced(
    request: Request, spec: Spec, engine: Engine, feed: Feed, folder: Path
) -> list[list[float]]:
    """Make only the marks' steps, each from the state that the reference had before it."""
    losses = []
    for mark in request.marks:
        with np.load(Path(str(request.forced)) / f"state-{mark}.npz") as kept:
            state = dict(kept)
        engine.load(nudge(spec, state, request.seed) if request.twin else state)
        losses.append(list(engine.read(engine.step(feed(mark - 1))).values()))
        _keep(folder / f"mark-{mark}.npz", weights(spec, engine.export()))
        _tell(mark)
    return losses


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take names for options


def _tell(step: int) -> None:
    print(step, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
