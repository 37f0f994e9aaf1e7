"""Features of real images to compare with, and the real baseline, kept in the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.data.features import Extractor, TrainableExtractor
from gandem.core.documents import parse_json
from gandem.core.errors import DataError, RunError
from gandem.core.files import cache_folder, fill_file
from gandem.core.rng import Purpose, stream
from gandem.core.runs.checkpoint import hash_contents
from gandem.metrics.evaluation.features import CHUNK_SIZE, extract
from gandem.metrics.evaluation.plugin_metrics import digest_plugin_metrics
from gandem.metrics.evaluation.protocol import Protocol, Scored
from gandem.metrics.evaluation.suite import Side, compute_measures

MIN_IMAGES = 20
Progress = Callable[[str, int, int], None]
"""Called with the name of the task, the amount done, and the total."""


def count_images(dataset: Dataset, count: int, *, quick: bool = False) -> int:
    """Return the number of images to score: ``count``, or half of the data if that is less.

    Args:
        quick: no modes are counted.

    Raises:
        DataError: it is too small, or less than the number of modes.
    """
    size = len(dataset.images)
    if min(count, size // 2) < MIN_IMAGES:
        raise DataError(
            f"{dataset.name}: scores need at least {MIN_IMAGES} images and {2 * MIN_IMAGES} "
            f"real ones, received {count} and {size}."
        )
    if not quick and min(count, size // 2) < dataset.modes:
        raise DataError(
            f"{dataset.name}: its {dataset.modes:,} modes cannot all be in "
            f"{min(count, size // 2):,} images; score {dataset.modes:,} or more."
        )
    return min(count, size // 2)


class RealSide:
    """Real images to compare with, and the real baseline: the scores of other real images.

    Two disjoint samples are drawn from the data. All images are compared with the first; the
    second is scored against it as the baseline. Each has as many images as will be scored, at
    most half of the data. Features and baseline are cached under a hash of their inputs.

    Args:
        count: images to score.
        quick: compute only the Fréchet and the kernel distance.
        gan_train: also train a classifier on images with labels, and test it on the real images;
            for the baseline on the other real images.
        progress: called from time to time.

    Raises:
        DataError: the data has too few images or no labels, or the extractor does not support
            them, or cannot be trained.
    """

    def __init__(
        self,
        dataset: Dataset,
        extractor: Extractor,
        count: int,
        seed: int = 0,
        *,
        quick: bool = False,
        gan_train: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._trainable = _find_trainable(dataset, extractor) if gan_train else None
        size = len(dataset.images)
        self.count = count_images(dataset, count, quick=quick)
        self.dataset, self.extractor, self.seed, self.quick = dataset, extractor, seed, quick
        self._progress = progress or (lambda what, done, total: None)
        order = stream(seed, Purpose.METRICS).permutation(size)[: 2 * self.count]
        self._drawn = [np.sort(part) for part in (order[: self.count], order[self.count :])]
        self.protocol = Protocol(
            data=dataset.name,
            data_digest=dataset.digest,
            of=size,
            real=self.count,
            fake=self.count,
            extractor=extractor.name,
            extractor_digest=extractor.digest,
            seed=seed,
            classifier=self._trainable.training if self._trainable else "",
        )
        self.real, self.real_baseline = self._load() or self._compute()

    def score(
        self, name: str, images: Iterable[np.ndarray], labels: np.ndarray | None = None
    ) -> Scored:
        """Return the scores of images that come in chunks.

        Args:
            name: the name of the images.
            labels: (N,) the labels they were generated from, in the numbering of the data.

        Raises:
            DataError: their number or their shape differs from that of the real images.
        """

        def done(number: int) -> None:
            self._progress(f"features of {name}", number, self.count)

        try:
            images = images if labels is None or not self._trainable else list(images)
            result = extract(self.extractor, self._check_shapes(images), done)
            if len(result.features) != self.count:
                raise DataError(
                    f"{len(result.features)} images, expected {self.count}; scores of different "
                    "numbers of images cannot be compared."
                )
            side = Side(result.features, result.probabilities, labels)
            values, details = self._measure(side, self.real, f"scores of {name}")
            if self._trainable and labels is not None:
                values["gan_train"] = self._train(name, np.concatenate([*images]), labels)
        except DataError as error:
            raise DataError(f"{name}: {error}") from error
        return Scored(
            name=name,
            protocol=self.protocol,
            values=values,
            real_baseline=self.real_baseline,
            details=details,
        )

    def frechet_of_average(self) -> float:
        """Return the Fréchet distance of one image, repeated, whose features are the average."""
        return float(np.var(self.real.features.astype(float), axis=0, ddof=1).sum())

    def _check_shapes(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        for chunk in images:
            if chunk.shape[1:] != self.dataset.shape:
                expected, received = (
                    "×".join(map(str, shape)) for shape in (self.dataset.shape, chunk.shape[1:])
                )
                raise DataError(
                    f"{self.dataset.name} has images of {expected}, the images to score have "
                    f"{received}; choose the real images with --data."
                )
            yield chunk

    def _measure(self, side: Side, real: Side, what: str) -> tuple[dict[str, Any], dict[str, Any]]:
        return compute_measures(
            side,
            real,
            self.seed,
            points=self.dataset.images.ndim == 2,
            quick=self.quick,
            progress=lambda done, total: self._progress(what, done, total),
        )

    def _train(self, name: str, images: np.ndarray, labels: np.ndarray) -> float:
        """Return the accuracy on the real images of a classifier that is trained on images."""
        assert self._trainable is not None
        task = f"classifier of {name}"
        classify = self._trainable.train(
            images, labels, self.seed, lambda done, total: self._progress(task, done, total)
        )
        predicted = classify(self.dataset.images[self._drawn[0]])
        return float((predicted == self._labels(0)).mean())

    def _extract(self, which: int) -> Side:
        rows = self._drawn[which]

        def chunks() -> Iterator[np.ndarray]:
            for start in range(0, len(rows), CHUNK_SIZE):
                yield self.dataset.images[rows[start : start + CHUNK_SIZE]]

        def done(number: int) -> None:
            self._progress("features of real images", which * self.count + number, 2 * self.count)

        result = extract(self.extractor, chunks(), done)
        return Side(result.features, result.probabilities, self._labels(which), self._mode_labels)

    def _labels(self, which: int) -> np.ndarray | None:
        labels = self.dataset.labels
        return None if labels is None else labels[self._drawn[which]]

    @property
    def _mode_labels(self) -> np.ndarray | None:
        return self.dataset.labels if self.dataset.modes else None

    def _compute(self) -> tuple[Side, dict[str, float | None]]:
        real, others = self._extract(0), self._extract(1)
        real_baseline, _ = self._measure(others, real, "scores of real images")
        labels = self._labels(1)
        if self._trainable and labels is not None:
            images = self.dataset.images[self._drawn[1]]
            real_baseline["gan_train"] = self._train("real images", images, labels)
        self._save(real, real_baseline)
        return real, real_baseline

    # --- the cache -------------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        protocol = self.protocol.to_data() | {"quick": self.quick}
        if not self.quick and (plugins := digest_plugin_metrics()):
            protocol["plugins"] = plugins
        for name in ("data", "extractor"):  # the digests count
            del protocol[name]
        text = json.dumps(protocol, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:32]
        return cache_folder() / "scores" / f"{key}.safetensors"

    def _save(self, real: Side, real_baseline: dict[str, float | None]) -> None:
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        arrays = {"features": real.features}
        if real.probabilities is not None:
            arrays["probabilities"] = real.probabilities
        text = json.dumps(real_baseline)
        facts = {"real_baseline": text, "sha256": hash_contents({"real_baseline": text}, arrays)}
        # the cache only saves time
        with contextlib.suppress(RunError, OSError, SafetensorError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fill_file(self._path, lambda path: save_file(arrays, path, facts))

    def _load(self) -> tuple[Side, dict[str, float | None]] | None:
        """Return the cached values, or None if they are missing or damaged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path, framework="np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}
                facts = file.metadata()
            if facts["sha256"] != hash_contents(facts, arrays):
                return None
            real_baseline = parse_json(facts["real_baseline"])
            probabilities = arrays.get("probabilities")
            side = Side(arrays["features"], probabilities, self._labels(0), self._mode_labels)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError):
            return None
        is_valid = len(side.features) == self.count
        is_valid &= (side.probabilities is not None) == bool(self.extractor.classes)
        return (side, real_baseline) if is_valid else None


def _find_trainable(dataset: Dataset, extractor: Extractor) -> TrainableExtractor:
    """Return an extractor that can be trained as a classifier of a data set.

    Raises:
        DataError: it cannot, or there are no labels.
    """
    if dataset.labels is None:
        raise DataError(f"{dataset.name}: it has no labels, so no classifier can be trained on it.")
    if not isinstance(extractor, TrainableExtractor):
        raise DataError(
            f"The extractor {extractor.name} cannot be trained as a classifier; choose "
            "--extractor lenet5 for images of 28×28×1, or leave out --gan-train."
        )
    return extractor
