"""What is measured of a training besides its losses: how varied its images are, how well the
discriminator tells a hundred real images from as many fakes, and whether both players still learn.

All of it reads the networks in inference mode on a fixed batch and draws nothing that the training
draws, so that a training goes the same way whether it is measured or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from gandem.core.rng import Purpose, stream
from gandem.core.training import Engine, Feed, as_read, weights
from gandem.core.training.inputs import draw_noise, one_hot
from gandem.core.training.losses import boundary_of

__all__ = ["COUNT", "EVERY", "Probe", "judged_in_words", "variety"]

COUNT = 100
"""Real images, and fakes, in the fixed batch."""
EVERY = 50
"""Steps between two measurements of variety, at least."""


class Probe:
    """The fixed batch of a training: real images, their labels, and noise.

    Args:
        every: steps between two rows of the log; only such a step is measured.
    """

    def __init__(self, feed: Feed, engine: Engine, every: int) -> None:
        self.feed, self.engine, self.every = feed, engine, every
        self._before: dict[str, np.ndarray] | None = None

    def is_due(self, step: int) -> bool:
        """Say whether variety is measured after a step: at the first row of the log in each
        :data:`EVERY` steps.
        """
        return step % self.every == 0 and step // EVERY > (step - self.every) // EVERY

    def weighs(self, step: int) -> bool:
        """Say whether weights are compared across a step: at the first measurement within 50 to 99
        steps, 100 to 199, 200 to 399, …, since a copy of the state is dear.
        """
        past = max(step - self.every, 0)
        return self.is_due(step) and (step // EVERY).bit_length() > (past // EVERY).bit_length()

    def before(self, step: int) -> None:
        """Get ready to measure a step that is about to be made, counted from 1."""
        self._before = self._weights() if self.weighs(step) else None

    def measure(self, step: int) -> dict[str, Any]:
        """Return what a row of the log has beside the losses: of the step just made, nothing where
        nothing is due.

        ``variety`` and ``nearest`` as in :func:`variety`; ``moved``: for each player by how much of
        their size its weights have moved in this step.
        """
        if not self.is_due(step):
            return {}
        found: dict[str, Any] = self._variety(self.fakes())
        if self._before is not None:
            after, found["moved"] = self._weights(), {}
            for player in self.feed.plans:
                names = [name for name in after if name.startswith(f"{player}/")]
                moved = sum(float(np.square(after[n] - self._before[n]).sum()) for n in names)
                size = sum(float(np.square(self._before[n]).sum()) for n in names)
                share = (moved / size if size else 0.0) ** 0.5
                found["moved"][player] = float(f"{share:.3g}") if np.isfinite(share) else None
            self._before = None
        return found

    def judged(self) -> dict[str, float]:
        """Return how many of the fixed images the discriminator tells rightly, ``real`` and
        ``fake``, as shares of ``count`` each.

        Above the loss's boundary counts as judged real; for a critic, whose scores have none,
        above the middle between its mean scores of both.
        """
        real, fake = self._scores(self.real), self._scores(self.fakes())
        boundary = boundary_of(self.feed.loss)
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
        order = stream(self.feed.seed, Purpose.JUDGED).permutation(len(images))
        return np.sort(order[:COUNT])

    @cached_property
    def real(self) -> np.ndarray:
        """The real images (count, H, W, C), as the networks read them."""
        images = self.feed.dataset.images[self._chosen]
        return as_read(self.feed.spec, images, self.feed.precision)

    @cached_property
    def _noise(self) -> np.ndarray:
        drawn = stream(self.feed.seed, Purpose.JUDGED, part=1)
        noise = draw_noise(self.feed.spec.latent, drawn, len(self._chosen))
        return noise.astype(self.feed.precision)

    @cached_property
    def _variety(self) -> Variety:
        return Variety(self.real, self._groups)

    @cached_property
    def _groups(self) -> np.ndarray | None:
        """The class of each image, where the generator makes what it is told."""
        labels = self.feed.dataset.labels
        reads = "label" in self.feed.plans["generator"].inputs
        return labels[self._chosen] if reads and labels is not None else None

    def _play(self, player: str, **inputs: np.ndarray) -> np.ndarray:
        wanted, spec = self.feed.plans[player].inputs, self.feed.spec
        if "label" in wanted:
            labels = self.feed.dataset.labels
            assert labels is not None
            inputs["label"] = one_hot(labels[self._chosen], spec.classes, self.feed.precision)
        given = {name: value for name, value in inputs.items() if name in wanted}
        return np.asarray(self.engine.forward(player, given))

    def fakes(self) -> np.ndarray:
        """Return what the generator makes of the fixed noise, (count, H, W, C)."""
        return self._play("generator", noise=self._noise)

    def _scores(self, images: np.ndarray) -> np.ndarray:
        return self._play("discriminator", image=images)[:, 0]

    def _weights(self) -> dict[str, np.ndarray]:
        return weights(self.feed.spec, self.engine.export())


def variety(
    fakes: np.ndarray, real: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, float]:
    """Return how far apart generated images are, as a share of what real ones are.

    Distances are root mean squares over pixels; where images have classes, only those within a
    class count.  ``variety`` compares the mean over all pairs, ``nearest`` the median distance to
    the nearest other image: that is near 0 where images repeat, even if there are several kinds.
    What cannot be compared is left out: real images that are all the same, or a single one of each
    class.

    Args:
        fakes: (N, H, W, C); ``real`` likewise, as many.
        groups: (N,) the class of each.

    >>> faces = np.arange(4.0).reshape(4, 1, 1, 1)
    >>> variety(faces / 2, faces)
    {'variety': 0.5, 'nearest': 0.5}
    """
    return Variety(real, groups)(fakes)


class Variety:
    """How far apart images are, as a share of what these real ones are: see :func:`variety`."""

    def __init__(self, real: np.ndarray, groups: np.ndarray | None = None) -> None:
        self._same = np.ones((len(real), len(real)), bool)
        if groups is not None:
            self._same = groups[:, None] == groups[None, :]
        np.fill_diagonal(self._same, False)
        self._real = self._spread(real)

    def __call__(self, fakes: np.ndarray) -> dict[str, float]:
        """Return ``variety`` and ``nearest`` of as many fakes as there are real images."""
        made, found = self._spread(fakes), {}
        for name, there in self._real.items():
            if there > 0 and np.isfinite(made[name]):
                found[name] = round(float(made[name] / there), 4)
        return found

    def _spread(self, images: np.ndarray) -> dict[str, float]:
        """Return the mean distance of two images, and the median one to the nearest."""
        if not self._same.any():
            return {}
        with np.errstate(all="ignore"):  # of a training that diverges
            apart = _distances(images)
            nearest = np.where(self._same, apart, np.inf).min(axis=1)
            return {
                "variety": float(apart[self._same].mean()),
                "nearest": float(np.median(nearest[self._same.any(axis=1)])),
            }


def _distances(images: np.ndarray) -> np.ndarray:
    """Return the distance of every image to every other, (N, N)."""
    rows = images.reshape(len(images), -1).astype(float)
    rows = rows - rows.mean(axis=0)  # the same distances, of smaller numbers
    squares = np.square(rows).sum(axis=1)
    # not rows @ rows.T: BLAS's threads wait busily for a tenth of a second for more work, and the
    # steps that follow take three times as long where a framework computes on all cores
    apart = squares[:, None] + squares[None, :] - 2 * np.einsum("ad,bd->ab", rows, rows)
    found: np.ndarray = np.sqrt(np.maximum(apart, 0) / rows.shape[1])
    return found


def judged_in_words(judged: Mapping[str, Any]) -> str:
    """Return a judgment as a line.

    >>> judged_in_words({"epoch": 10, "real": 0.87, "fake": 0.93, "count": 100})
    'epoch 10: the discriminator tells 87 % of 100 real and 93 % of 100 fake images'
    """
    count, real, fake = judged["count"], 100 * judged["real"], 100 * judged["fake"]
    return (
        f"epoch {judged['epoch']}: the discriminator tells {real:.0f} % of {count} real and "
        f"{fake:.0f} % of {count} fake images"
    )
