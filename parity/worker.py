"""One process of a parity measurement: ``python -m gandem.parity.worker REQUEST``.

It writes the weights at each mark and the last state to the folder of the request, and prints each
step. If it starts from a checkpoint, it also writes the state that it has loaded.
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
    make_engine,
    make_feed,
    nudge,
    resolve_loss,
    statistics,
    weights,
)
from gandem.parity.processes import Request
from gandem.parity.tolerances import read_arrays


def main(argument: str) -> int:
    """Run a request and return the exit code; a user error is one line on standard error."""
    try:
        _run(Request.from_json(argument))
    except GandemError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _run(request: Request) -> None:
    start, folder = _load_start(request), Path(request.folder)
    spec, loss, state = start.spec, resolve_loss(start.spec), start.state
    if request.baseline and request.forced is None:
        state = nudge(spec, state, start.seed)
    backend = load_backend(request.backend)
    is_resumed = request.resumed is not None
    check_capabilities(request.backend, backend, spec, start.precision, resumed=is_resumed)
    data = load_dataset(request.data, request.data_dir, spec.image.shape, request.classes)
    feed = make_feed(spec, loss, data, start.seed, start.precision)
    precision, device = start.precision, request.device
    engine = make_engine(backend, spec, loss, state, precision=precision, device=device)
    _save(folder / "start.npz", weights(spec, engine.export()))
    if is_resumed:
        _save(folder / "loaded.npz", engine.export())
    if request.forced is None:
        losses = _train(request, engine, feed, start.step)
    else:
        losses = _train_forced(request, engine, feed, Path(request.forced))
    np.save(folder / "losses.npy", np.array(losses))
    _save(folder / "end.npz", engine.export())


def _load_start(request: Request) -> Checkpoint:
    """Return the checkpoint to resume, or the initial state as a checkpoint at step 0."""
    if request.resumed is not None:
        return read_checkpoint(Path(request.resumed))
    spec = from_json(request.spec)
    state = initial_state(spec, request.seed, request.precision)
    players = tuple(player.name for player in spec.players)
    return Checkpoint(
        Path(request.folder), 0, request.seed, request.precision, spec, state, {}, players
    )


def _train(request: Request, engine: Engine, feed: Feed, first: int) -> list[list[float]]:
    """Make all steps after the ``first`` ones, up to the last mark."""
    losses, folder, spec = [], Path(request.folder), feed.spec
    for step in range(first + 1, request.marks[-1] + 1):
        if step in request.marks and request.states:
            _save(folder / f"state-{step}.npz", engine.export())
        losses.append(list(engine.read(engine.step(feed(step - 1))).values()))
        if step in request.marks:
            _save_mark(folder, step, spec, engine.export())
        if step == request.checkpoint:
            facts = {"backend": request.backend}
            write_checkpoint(folder, step, engine.export(), spec, feed.seed, facts)
        _print_step(step)
    return losses


def _train_forced(
    request: Request, engine: Engine, feed: Feed, reference: Path
) -> list[list[float]]:
    """Make only the steps of the marks, each from the state that the reference had before it."""
    losses = []
    for mark in request.marks:
        state = read_arrays(reference / f"state-{mark}.npz")
        engine.load(nudge(feed.spec, state, feed.seed) if request.baseline else state)
        losses.append(list(engine.read(engine.step(feed(mark - 1))).values()))
        _save_mark(Path(request.folder), mark, feed.spec, engine.export())
        _print_step(mark)
    return losses


def _save_mark(folder: Path, step: int, spec: Spec, state: dict[str, np.ndarray]) -> None:
    _save(folder / f"mark-{step}.npz", weights(spec, state))
    _save(folder / f"statistics-{step}.npz", statistics(spec, state))


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]  # NumPy's stubs take names for options


def _print_step(step: int) -> None:
    print(step, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
