"""Measurements of a training besides its losses: variety of the images, accuracy of the
discriminator, and changes of the weights.

They run the networks in inference mode on a fixed batch and draw none of the training's random
numbers, so a training takes the same steps with and without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from gandem.core.rng import Purpose, stream
from gandem.core.specs import IMAGE, has_encoder
from gandem.core.training import Engine, Feed, draw_noise, one_hot, run_resolutions, weights
from gandem.core.training.feed.pixels import read_resolutions
from gandem.core.training.losses import decision_boundary

COUNT = 100
"""Number of real images, and of fake ones, in the fixed batch."""
EVERY = 50
"""Steps between two measurements of variety, at least."""


class Probe:
    """The fixed batch of a training: real images, their labels, and noise.

    Args:
        every: steps between two rows of the log; only steps with a row are measured.
    """

    def __init__(self, feed: Feed, engine: Engine, every: int) -> None:
        self.feed, self.engine, self.every = feed, engine, every
        self._before: dict[str, np.ndarray] | None = None

    def is_due(self, step: int) -> bool:
        """Return True if variety is measured after a step: the first row of the log in each
        :data:`EVERY` steps.
        """
        return step % self.every == 0 and step // EVERY > (step - self.every) // EVERY

    def compares_weights(self, step: int) -> bool:
        """Return True if weights are compared before and after a step.

        They are at the first measurement in 50 to 99 steps, 100 to 199, 200 to 399, …, since a copy
        of the state is expensive.
        """
        past = max(step - self.every, 0)
        return self.is_due(step) and (step // EVERY).bit_length() > (past // EVERY).bit_length()

    def prepare(self, step: int) -> None:
        """Copy the weights if they are compared at a step that is about to be made, from 1."""
        self._before = self._weights() if self.compares_weights(step) else None

    def measure(self, step: int) -> dict[str, Any]:
        """Return the measurements of the step just made; empty if none is due.

        ``variety`` and ``nearest`` are those of :func:`measure_variety`; ``moved`` is, for each
        player, the change in this step of its weights that are not frozen, relative to their size.
        """
        if not self.is_due(step):
            return {}
        facts: dict[str, Any] = self._variety(self.fakes()[IMAGE])
        if self._before is not None:
            after, facts["moved"] = self._weights(), {}
            for player in self.feed.plans:
                frozen = {f"{player}/{layer}" for layer in self.feed.spec.player(player).frozen}
                own = (name for name in after if name.startswith(f"{player}/"))
                names = [name for name in own if name.rpartition("/")[0] not in frozen]
                if not names:
                    continue
                moved = sum(float(np.square(after[n] - self._before[n]).sum()) for n in names)
                size = sum(float(np.square(self._before[n]).sum()) for n in names)
                share = (moved / size if size else 0.0) ** 0.5
                facts["moved"][player] = float(f"{share:.3g}") if np.isfinite(share) else None
            self._before = None
        return facts

    def measure_accuracy(self) -> dict[str, float]:
        """Return the shares of ``real`` and ``fake`` images that the discriminator classifies
        correctly, of ``count`` each.

        An image is classified as real above the boundary of the loss; for a critic, above the
        middle between its mean scores of both.
        """
        encoded = self._play("encoder", **self.real) if has_encoder(self.feed.spec) else None
        real, fake = self._scores(self.real, encoded), self._scores(self.fakes(), self._noise)
        boundary = decision_boundary(self.feed.loss)
        if boundary is None:
            boundary = 0.5 * (float(real.mean()) + float(fake.mean()))
        count = len(real)
        return {
            "real": round(int((real > boundary).sum()) / count, 4),
            "fake": round(int((fake <= boundary).sum()) / count, 4),
            "count": count,
        }

    @cached_property
    def _chosen(self) -> np.ndarray:
        images = self.feed.dataset.images
        order = stream(self.feed.seed, Purpose.ACCURACY).permutation(len(images))
        return np.sort(order[:COUNT])

    @cached_property
    def real(self) -> dict[str, np.ndarray]:
        """The real images (count, H, W, C) in each resolution, as the networks read them."""
        images = self.feed.dataset.images[self._chosen]
        return read_resolutions(self.feed.spec, images, self.feed.precision)

    @cached_property
    def _noise(self) -> np.ndarray:
        drawn = stream(self.feed.seed, Purpose.ACCURACY, part=1)
        noise = draw_noise(self.feed.spec.latent, drawn, len(self._chosen))
        return noise.astype(self.feed.precision)

    @cached_property
    def _variety(self) -> Variety:
        return Variety(self.real[IMAGE], self._groups)

    @cached_property
    def _groups(self) -> np.ndarray | None:
        """The class of each image, if the generator reads labels."""
        labels = self.feed.dataset.labels
        reads = "label" in self.feed.plans["generator"].inputs
        return labels[self._chosen] if reads and labels is not None else None

    def _select(self, player: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs that a player reads, with labels."""
        names, spec = self.feed.plans[player].inputs, self.feed.spec
        if "label" in names:
            labels = self.feed.dataset.labels
            assert labels is not None
            inputs["label"] = one_hot(labels[self._chosen], spec.classes, self.feed.precision)
        return {name: value for name, value in inputs.items() if name in names}

    def _play(self, player: str, **inputs: np.ndarray) -> np.ndarray:
        return np.asarray(self.engine.forward(player, self._select(player, inputs)))

    def fakes(self) -> dict[str, np.ndarray]:
        """Return what the generator makes of the fixed noise, (count, H, W, C), by resolution."""
        inputs = self._select("generator", {"noise": self._noise})
        return run_resolutions(self.engine, self.feed.plans["generator"], inputs)

    def _scores(self, images: Mapping[str, np.ndarray], noise: np.ndarray | None) -> np.ndarray:
        """Return the logits of images; only a discriminator with an encoder reads the noise."""
        pairs = images if noise is None else {**images, "noise": noise}
        packed = {k: _pack(value, self.feed.spec.training.pac) for k, value in pairs.items()}
        return self._play("discriminator", **packed)[:, 0]

    def _weights(self) -> dict[str, np.ndarray]:
        return weights(self.feed.spec, self.engine.export())


def measure_variety(
    fakes: np.ndarray, real: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, float]:
    """Return the distances of generated images relative to those of real ones.

    Distances are root mean squares over pixels; images with classes are compared within a class.
    ``variety`` compares the mean distance of all pairs, ``nearest`` the median distance to the
    nearest other image, which is near 0 if images repeat. A value that cannot be compared is left
    out: all real images are equal, or there is one of each class.

    Args:
        fakes: (N, H, W, C); ``real`` has the same shape.
        groups: (N,) the class of each.

    >>> faces = np.arange(4.0).reshape(4, 1, 1, 1)
    >>> measure_variety(faces / 2, faces)
    {'variety': 0.5, 'nearest': 0.5}
    """
    return Variety(real, groups)(fakes)


class Variety:
    """Distances of images relative to those of real ones; see :func:`measure_variety`."""

    def __init__(self, real: np.ndarray, groups: np.ndarray | None = None) -> None:
        self._same = np.ones((len(real), len(real)), bool)
        if groups is not None:
            self._same = groups[:, None] == groups[None, :]
        np.fill_diagonal(self._same, False)
        self._real = self._spread(real)

    def __call__(self, fakes: np.ndarray) -> dict[str, float]:
        """Return ``variety`` and ``nearest`` of equally many fakes and real images."""
        distances, ratios = self._spread(fakes), {}
        for name, real in self._real.items():
            if real > 0 and np.isfinite(distances[name]):
                ratios[name] = round(float(distances[name] / real), 4)
        return ratios

    def _spread(self, images: np.ndarray) -> dict[str, float]:
        """Return the mean distance of two images, and the median one to the nearest."""
        if not self._same.any():
            return {}
        with np.errstate(all="ignore"):  # of a training that diverges
            distances = _distances(images)
            nearest = np.where(self._same, distances, np.inf).min(axis=1)
            return {
                "variety": float(distances[self._same].mean()),
                "nearest": float(np.median(nearest[self._same.any(axis=1)])),
            }


def _pack(images: np.ndarray, count: int) -> np.ndarray:
    """Return images (N, …, C) side by side, (N // count, …, count · C), without a last, incomplete
    group.
    """
    groups = images[: len(images) // count * count].reshape(-1, count, *images.shape[1:])
    return np.moveaxis(groups, 1, -2).reshape(-1, *images.shape[1:-1], count * images.shape[-1])


def _distances(images: np.ndarray) -> np.ndarray:
    """Return the distance of every image to every other, (N, N)."""
    rows = images.reshape(len(images), -1).astype(float)
    rows = rows - rows.mean(axis=0)  # the same distances, of smaller numbers
    squares = np.square(rows).sum(axis=1)
    # not rows @ rows.T: the threads of BLAS then spin for a tenth of a second, and the steps that
    # follow take three times as long
    gram = squares[:, None] + squares[None, :] - 2 * np.einsum("ad,bd->ab", rows, rows)
    distances: np.ndarray = np.sqrt(np.maximum(gram, 0) / rows.shape[1])
    return distances
