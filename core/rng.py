"""Random numbers from counter-based streams, addressed by ``(seed, purpose, step, part)``.

Nothing is stateful: resuming needs only the step, and every backend sees the same numbers. Draws
are float64; the feed casts them.
"""

from __future__ import annotations

import enum
import hashlib

import numpy as np


class Purpose(enum.IntEnum):
    """The purpose of a stream. The numbers are part of the run format; never change one."""

    WEIGHTS = 1
    ORDER = 2
    NOISE = 3
    LABELS = 4
    LAYERS = 5
    MIXING = 6
    SAMPLES = 7
    BASELINE = 8
    AUGMENT = 9
    INSTANCE_NOISE = 10
    FLIP = 11
    ACCURACY = 12
    DATA = 13
    METRICS = 14


def stream(seed: int, purpose: Purpose, step: int = 0, part: int = 0) -> np.random.Generator:
    """Return the generator of one address; equal addresses give equal numbers.

    Philox-4x64 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with the seed as
    its key and the address as its counter. The lowest counter word counts the draws.

    Args:
        seed: the run's seed, 0 ≤ seed < 2**64.
        step: the training step or epoch, from 0.
        part: distinguishes draws of one step (round, pass, layer, parameter).

    >>> bool(stream(1, Purpose.NOISE, 5).normal() == stream(1, Purpose.NOISE, 5).normal())
    True
    """
    return np.random.Generator(
        np.random.Philox(key=seed, counter=np.array([0, part, int(purpose), step], dtype=np.uint64))
    )


def part_of(name: str) -> int:
    """Return a 63-bit hash of a name, so that draws do not depend on positions in a list."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def dropout_levels(rate: float) -> int:
    """Return how many of the 256 byte values mean "dropped": the rate rounded to 1/256.

    Masks from random bytes are six times faster than from floats.

    >>> dropout_levels(0.3), dropout_levels(0.5)
    (77, 128)
    """
    return round(256 * rate)


def dropout_keep(generator: np.random.Generator, shape: tuple[int, ...], rate: float) -> np.ndarray:
    """Draw a Boolean mask of a shape (batch first), True where a unit is kept."""
    count = int(np.prod(shape))
    # the same as generator.bytes(count), in half the time
    words = generator.integers(0, 2**64 - 1, -(-count // 8), dtype=np.uint64, endpoint=True)
    drawn = words.astype("<u8", copy=False).view(np.uint8)[:count]
    return (drawn >= dropout_levels(rate)).reshape(shape)


def fingerprint() -> str:
    """Return a short hash of the first draws of a fixed stream.

    NumPy guarantees streams only within a version, so a run records this hash to detect a change.
    """
    draws = stream(0, Purpose.NOISE).normal(size=64)
    return hashlib.sha256(draws.astype("<f8").tobytes()).hexdigest()[:16]
