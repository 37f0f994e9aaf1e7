"""One backend's part of a parity measurement, in a process of its own: ``python -m
gandem.parity.worker REQUEST``.

It writes the weights at each mark and the last state to the request's folder, and a line to
standard output after each step. If it starts from a checkpoint, it also writes the loaded state.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gandem.core.data.dataset import load_dataset
from gandem.core.errors import GandemError
from gandem.core.runs import Checkpoint, read_checkpoint, write_checkpoint
from gandem.core.specs import Spec, from_json
from gandem.core.training import (
    Engine,
    Feed,
    check_capabilities,
    initial_state,
    load_backend,
    nudge,
    resolve_loss,
    statistics,
    weights,
)
from gandem.parity.processes import Request

__all__ = ["main"]


def main(argument: str) -> int:
    """Carry out a request; a mistake of the user's becomes one line on standard error."""
    try:
        _carry_out(Request.from_json(argument))
    except GandemError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _carry_out(request: Request) -> None:
    begun, folder = _beginning(request), Path(request.folder)
    spec, loss = begun.spec, resolve_loss(begun.spec)
    state = begun.state
    if request.baseline and request.forced is None:
        state = nudge(spec, state, begun.seed)
    backend = load_backend(request.backend)
    resumed = request.resumed is not None
    check_capabilities(request.backend, backend, spec, begun.precision, resumed=resumed)
    data = load_dataset(request.data, request.data_dir, spec.image.shape, request.classes)
    feed = Feed(spec, loss, data, begun.seed, begun.precision)
    engine = backend.engine(spec, loss, state, precision=begun.precision, device=request.device)
    _keep(folder / "start.npz", weights(spec, engine.export()))
    if resumed:
        _keep(folder / "loaded.npz", engine.export())
    if request.forced is None:
        losses = _walk(request, engine, feed, begun.step)
    else:
        losses = _forced(request, engine, feed)
    np.save(folder / "losses.npy", np.array(losses))
    _keep(folder / "end.npz", engine.export())


def _beginning(request: Request) -> Checkpoint:
    """Return what a checkpoint holds; where there is none, what it would hold before step 1."""
    if request.resumed is not None:
        return read_checkpoint(Path(request.resumed))
    spec = from_json(request.spec)
    state = initial_state(spec, request.seed, request.precision)
    return Checkpoint(Path(request.folder), 0, request.seed, request.precision, spec, state, {})


def _walk(request: Request, engine: Engine, feed: Feed, done: int) -> list[list[float]]:
    """Train straight on to the last mark, after the steps that are done."""
    losses, folder, spec = [], Path(request.folder), feed.spec
    for step in range(done + 1, request.marks[-1] + 1):
        if step in request.marks and request.states:
            _keep(folder / f"state-{step}.npz", engine.export())
        losses.append(list(engine.read(engine.step(feed(step - 1))).values()))
        if step in request.marks:
            _mark(folder, step, spec, engine.export())
        if step == request.checkpoint:
            facts = {"backend": request.backend}
            write_checkpoint(folder, step, engine.export(), spec, feed.seed, facts)
        _tell(step)
    return losses


def _forced(request: Request, engine: Engine, feed: Feed) -> list[list[float]]:
    """Make only the marks' steps, each from the state that the reference had before it."""
    losses, folder, spec = [], Path(request.folder), feed.spec
    for mark in request.marks:
        with np.load(Path(str(request.forced)) / f"state-{mark}.npz") as kept:
            state = dict(kept)
        engine.load(nudge(spec, state, feed.seed) if request.baseline else state)
        losses.append(list(engine.read(engine.step(feed(mark - 1))).values()))
        _mark(folder, mark, spec, engine.export())
        _tell(mark)
    return losses


def _mark(folder: Path, step: int, spec: Spec, state: dict[str, np.ndarray]) -> None:
    _keep(folder / f"mark-{step}.npz", weights(spec, state))
    _keep(folder / f"statistics-{step}.npz", statistics(spec, state))


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take names for options


def _tell(step: int) -> None:
    print(step, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
