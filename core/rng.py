"""Every random number of gandem: counter-based streams, so that a number depends on where it is
used and on nothing else.

A stream is addressed by ``(seed, purpose, step, part)``.  Nothing is stateful: resuming needs only
the step, and every backend sees the same numbers.  Draws are float64; a backend casts them.
"""

from __future__ import annotations

import enum
import hashlib

import numpy as np

__all__ = ["Purpose", "dropout_keep", "dropout_levels", "fingerprint", "part_of", "stream"]


class Purpose(enum.IntEnum):
    """What a stream is for.  The numbers are part of the format of a run: never change one, only
    add.
    """

    WEIGHTS = 1
    ORDER = 2
    NOISE = 3
    LABELS = 4
    DROPOUT = 5
    MIXING = 6
    SAMPLES = 7
    TWIN = 8
    AUGMENT = 9
    INSTANCE_NOISE = 10
    FLIP = 11
    JUDGED = 12
    POINTS = 13
    METRICS = 14


def stream(seed: int, purpose: Purpose, step: int = 0, part: int = 0) -> np.random.Generator:
    """Return the generator for one address; equal addresses give equal numbers.

    Philox-4x64 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") with the seed as
    its key and the address as its counter.  The lowest counter word is left to the draws
    themselves.

    Args:
        seed: the run's seed, 0 ≤ seed < 2**64.
        step: the training step or epoch, from 0.
        part: tells draws of one step apart (round, pass, layer, parameter).

    >>> bool(stream(1, Purpose.NOISE, 5).normal() == stream(1, Purpose.NOISE, 5).normal())
    True
    """
    return np.random.Generator(
        np.random.Philox(key=seed, counter=np.array([0, part, int(purpose), step], dtype=np.uint64))
    )


def part_of(name: str) -> int:
    """Return a 63-bit number for a name, so that a draw belongs to the name and not to its place in
    a list.
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def dropout_levels(rate: float) -> int:
    """Return how many of 256 byte values are dropped for ``rate``: the rate is kept to 1/256.

    Whole random bytes make large masks six times cheaper than floats.

    >>> dropout_levels(0.3), dropout_levels(0.5)
    (77, 128)
    """
    return round(256 * rate)


def dropout_keep(generator: np.random.Generator, shape: tuple[int, ...], rate: float) -> np.ndarray:
    """Draw a Boolean mask, True where a unit is kept, of the given shape (batch first)."""
    count = int(np.prod(shape))
    # as generator.bytes(count), in half the time
    words = generator.integers(0, 2**64 - 1, -(-count // 8), dtype=np.uint64, endpoint=True)
    drawn = words.astype("<u8", copy=False).view(np.uint8)[:count]
    return (drawn >= dropout_levels(rate)).reshape(shape)


def fingerprint() -> str:
    """Return a short hash of the first draws of a fixed stream.

    NumPy promises a stream only within a version, so a run records this and says so when it has
    changed.
    """
    draws = stream(0, Purpose.NOISE).normal(size=64)
    return hashlib.sha256(draws.astype("<f8").tobytes()).hexdigest()[:16]
