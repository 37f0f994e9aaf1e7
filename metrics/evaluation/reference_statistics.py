"""The real side of a score: features of real images, drawn once, and what other real images get."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, RunError
from gandem.core.files import cache_folder, fill_file
from gandem.core.rng import Purpose, stream
from gandem.metrics.evaluation.features import CHUNK, Extractor, extract
from gandem.metrics.evaluation.protocol import Protocol, Scored
from gandem.metrics.evaluation.suite import Side, measured

__all__ = ["LEAST", "RealSide"]

LEAST = 20
"""Images that scores can be taken of, at least."""
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is, and of how much."""


class RealSide:
    """Real images to compare with, and the floor: what as many others of the same set get.

    Two draws of the data, with no image in both: with one, all that is scored is compared, the
    other is scored in its turn.  Their number is that of the images to be scored, or half the data
    where that is less.  Features and floor are kept in the cache by the hash of all that decides
    them.

    Args:
        count: images that will be scored.
        quick: only the Fréchet and the kernel distance.
        progress: called now and then.

    Raises:
        DataError: the data has too few images, or the extractor cannot look at them.
    """

    def __init__(
        self,
        dataset: Dataset,
        extractor: Extractor,
        count: int,
        seed: int = 0,
        *,
        quick: bool = False,
        progress: Progress | None = None,
    ) -> None:
        there = len(dataset.images)
        self.count = min(count, there // 2)
        if self.count < LEAST:
            raise DataError(
                f"{dataset.name}: scores take at least {LEAST} images and {2 * LEAST} real ones, "
                f"received {count} and {there}."
            )
        self.dataset, self.extractor, self.seed, self.quick = dataset, extractor, seed, quick
        self.points = dataset.images.ndim == 2
        self._progress = progress or (lambda what, done, total: None)
        order = stream(seed, Purpose.METRICS).permutation(there)[: 2 * self.count]
        self._drawn = [np.sort(part) for part in (order[: self.count], order[self.count :])]
        self.protocol = Protocol(
            data=dataset.name,
            data_digest=dataset.digest,
            of=there,
            real=self.count,
            fake=self.count,
            extractor=extractor.name,
            extractor_digest=extractor.digest,
            seed=seed,
        )
        self.real, self.floor = self._kept() or self._made()

    def score(
        self, name: str, images: Iterable[np.ndarray], labels: np.ndarray | None = None
    ) -> Scored:
        """Return the scores of images, which come a chunk at a time.

        Args:
            name: whose images these are.
            labels: (N,) what they were told to be, in the data's numbers.

        Raises:
            DataError: they are not as many as the real ones, or not of their shape.
        """

        def done(number: int) -> None:
            self._progress(f"features of {name}", number, self.count)

        try:
            found = extract(self.extractor, self._right(images), done)
            if len(found.features) != self.count:
                raise DataError(
                    f"{len(found.features)} images, expected {self.count}; scores of different "
                    "numbers of images cannot be compared."
                )
            side = Side(found.features, found.probabilities, labels)
            values, details = self._measured(side, self.real, f"scores of {name}")
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        return Scored(
            name=name, protocol=self.protocol, values=values, floor=self.floor, details=details
        )

    def _right(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for chunk in images:
            if chunk.shape[1:] != self.dataset.shape:
                wanted, got = (
                    "×".join(map(str, shape)) for shape in (self.dataset.shape, chunk.shape[1:])
                )
                raise DataError(
                    f"{self.dataset.name} has images of {wanted}, those to be scored have {got}; "
                    "choose the real ones with --data."
                )
            yield chunk

    def _measured(self, side: Side, real: Side, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return measured(
            side,
            real,
            self.seed,
            points=self.points,
            quick=self.quick,
            progress=lambda done, total: self._progress(what, done, total),
        )

    def _side(self, which: int) -> Side:
        rows = self._drawn[which]

        def chunks() -> Iterator[np.ndarray]:
            for at in range(0, len(rows), CHUNK):
                yield self.dataset.images[rows[at : at + CHUNK]]

        def done(number: int) -> None:
            self._progress("features of real images", which * self.count + number, 2 * self.count)

        found = extract(self.extractor, chunks(), done)
        return Side(found.features, found.probabilities, self._labels(which))

    def _labels(self, which: int) -> np.ndarray | None:
        labels = self.dataset.labels
        return None if labels is None else labels[self._drawn[which]]

    def _made(self) -> tuple[Side, dict[str, float | None]]:
        real, others = self._side(0), self._side(1)
        floor, _ = self._measured(others, real, "scores of real images")
        self._keep(real, floor)
        return real, floor

    # --- the cache -------------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        protocol = self.protocol.to_data() | {"quick": self.quick}
        for name in ("data", "extractor"):  # names, whose digests count
            del protocol[name]
        text = json.dumps(protocol, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        return cache_folder() / "scores" / f"{key}.safetensors"

    def _keep(self, real: Side, floor: dict[str, float | None]) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        arrays = {"features": real.features}
        if real.probabilities is not None:
            arrays["probabilities"] = real.probabilities
        told = json.dumps(floor)
        facts = {"floor": told, "sha256": _seal(arrays, told)}
        # without a cache it only takes longer
        with contextlib.suppress(RunError, OSError, SafetensorError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fill_file(self._path, lambda path: save_file(arrays, path, facts))

    def _kept(self) -> tuple[Side, dict[str, float | None]] | None:
        """Return what the cache has, if that is whole."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path, framework="np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}
                told = file.metadata()
            if told["sha256"] != _seal(arrays, told["floor"]):
                return None
            floor = json.loads(told["floor"])
            side = Side(arrays["features"], arrays.get("probabilities"), self._labels(0))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        whole = len(side.features) == self.count
        whole &= (side.probabilities is not None) == bool(self.extractor.classes)
        return (side, floor) if whole else None


def _seal(arrays: Mapping[str, np.ndarray], floor: str) -> str:
    """Return a hash of what is kept, so that a flipped bit gives no wrong score."""
    hashed = hashlib.sha256(floor.encode())
    for name in sorted(arrays):
        hashed.update(f"\n{name} {arrays[name].dtype.str} {arrays[name].shape}\n".encode())
        hashed.update(np.ascontiguousarray(arrays[name]).data)
    return hashed.hexdigest()
