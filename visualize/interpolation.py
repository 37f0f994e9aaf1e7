"""Interpolation: animations between two classes, categories or noise vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gandem.core.errors import SpecError
from gandem.core.runs.generation.latents import LatentVectors
from gandem.core.runs.generation.sampling import CHUNK_SIZE, sample
from gandem.core.runs.generation.styles import find_styles, to_styles
from gandem.core.runs.run import Run, open_run
from gandem.core.specs import image_of
from gandem.core.training import fixed_inputs, stored
from gandem.visualize.animation import Animation
from gandem.visualize.images import scale_images, scale_size
from gandem.visualize.latent import (
    GeneratorOptions,
    check_class,
    hold_category,
    is_conditional,
    slerp,
)

__all__ = ["interpolate"]

Between = Literal["label", "category", "noise"]
Shape = Literal["spherical", "linear"]
Space = Literal["z", "w"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Arguments of :func:`interpolate`."""

    between: Between | None
    path: Shape | None
    seed: int
    num_samples: int
    label: int | None
    truncation: float | None
    space: Space


def interpolate(
    run: Run | Path | str,
    start: int | str = 0,
    end: int | str = 1,
    *,
    between: Between | None = None,
    path: Shape | None = None,
    frames: int = 200,
    size: int | None = 96,
    num_samples: int = 1,
    label: int | str | None = None,
    seed: int = 0,
    bounce: bool = False,
    space: Space = "z",
    latent: LatentVectors | None = None,
    **generator: Any,
) -> Animation:
    """Return an animation of the images between two classes, or two seeds of the noise.

    Labels enter the networks as class weights, so classes can be mixed.

    Args:
        run: a run, or its folder.
        start: a class, by number or name, a category, or a seed of the noise.
        end: likewise.
        between: ``"label"``, the ``"category"`` of a latent code, or ``"noise"``; by default the
            label of a conditional model, or else the noise.
        path: ``"spherical"`` or ``"linear"``, of noise; by default spherical for normal noise.
        frames: number of frames, including those of ``bounce``.
        size: pixels of the longer side of each image; None for the size of the network's output.
        num_samples: number of noise vectors, shown side by side.
        label: the class while noise changes; by default the classes take turns.
        seed: of the fixed noise.
        bounce: return to the start within the frames.
        space: between two seeds or vectors, the ``"z"`` of noise, or ``"w"``: a straight line
            between styles.
        latent: two vectors, of two images for example, that are the ends in place of ``start`` and
            ``end``.
        generator: ``backend``, ``device``, ``checkpoint``, ``ema`` and ``truncation`` of
            :meth:`Run.generate`.

    Raises:
        SpecError: an unknown class, equal ends, or too few frames.
    """
    opened, options = open_run(run), GeneratorOptions(**generator)
    first, last = _read_end(opened, start), _read_end(opened, end)
    label = None if label is None else opened.find_label(label)
    settings = _Settings(
        between=between,
        path=path,
        seed=seed,
        num_samples=num_samples,
        label=label,
        truncation=options.truncation,
        space=space,
    )
    if frames < 2:
        raise SpecError(f"frames: expected at least 2, received {frames}.")
    if num_samples < 1:
        raise SpecError(f"num_samples: expected at least 1, received {num_samples}.")
    if latent is not None:
        start, end, num_samples = "start", "end", 1
        ends = _split_vectors(opened, latent)
    elif first == last:
        raise SpecError(f"Both ends are {first}; choose two different ones.")
    else:
        ends = _make_ends(opened, first, last, settings)
    shares = _list_shares(frames, bounce)
    height, width, _ = image_of(opened.spec).shape
    if size is not None:
        height, width = scale_size(height, width, size)

    def make() -> Iterator[np.ndarray]:
        engine = opened.engine(options.backend, options.device, options.checkpoint)
        points = ends
        if space == "w" and "noise" in ends[0]:
            points = [to_styles(opened.spec, engine, end, ema=options.ema) for end in ends]
        chunk = max(1, CHUNK_SIZE // num_samples)
        for index in range(0, frames, chunk):
            inputs = _interpolate_inputs(opened, points, shares[index : index + chunk], settings)
            images = sample(opened.spec, engine, inputs, ema=options.ema).images
            for place in range(0, len(images), num_samples):
                yield scale_images(images[place : place + num_samples], size)

    titles = (
        f"{share:.0%}" if 0 < share < 1 else str((start, end)[int(share)]) for share in shares
    )
    return Animation(make, frames, (num_samples, height, width), tuple(titles))


def _read_end(run: Run, end: int | str) -> int:
    """Return the number of a class, a category, or a seed.

    Raises:
        SpecError: it is a name, and that of no class.
    """
    if not isinstance(end, str):
        return end
    if not is_conditional(run.spec):
        raise SpecError(
            f"The model {run.spec.name!r} has no classes; expected a number, received {end!r}."
        )
    return run.find_label(end)


def _list_shares(frames: int, bounce: bool) -> np.ndarray:
    """Return the fraction of the way for each frame; both ends are reached exactly.

    >>> _list_shares(3, False).tolist(), _list_shares(4, True).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 0.5])
    """
    if not bounce:
        return np.linspace(0.0, 1.0, frames)
    forward = frames // 2 + 1
    back = np.linspace(1.0, 0.0, frames - forward + 2)[1:-1]
    return np.concatenate([np.linspace(0.0, 1.0, forward), back])


def _split_vectors(run: Run, latent: LatentVectors) -> list[dict[str, np.ndarray]]:
    """Return the generator's inputs for each of two latent vectors.

    Raises:
        SpecError: there are not two, or they belong to another model.
    """
    inputs = latent.make_inputs(run.spec, run.record.precision)
    if len(latent.vectors) != 2:
        raise SpecError(f"Expected two latent vectors, received {len(latent.vectors)}.")
    return [{name: value[i : i + 1] for name, value in inputs.items()} for i in range(2)]


def _make_ends(run: Run, start: int, end: int, settings: _Settings) -> list[dict[str, np.ndarray]]:
    """Return the generator's inputs at both ends, each (count, …)."""
    spec, precision, count = run.spec, run.record.precision, settings.num_samples
    is_labeled = is_conditional(spec) and settings.space == "z"
    between = settings.between or ("label" if is_labeled else "noise")

    def draw(seed: int, label: int | None) -> dict[str, np.ndarray]:
        labels = None if label is None else np.full(count, check_class(spec, label))
        return fixed_inputs(spec, seed, count, precision, labels, truncation=settings.truncation)

    if settings.space == "w":
        find_styles(spec)
        if between != "noise" or settings.path == "spherical":
            raise SpecError(
                "The space w has straight lines between the styles of two seeds; leave 'between' "
                "and 'path' out."
            )
    if between == "noise":
        for seed in (start, end):
            if not 0 <= seed < 2**63:
                raise SpecError(f"seed: expected at least 0, received {seed}.")
        return [draw(seed, settings.label) for seed in (start, end)]
    if settings.path is not None:
        raise SpecError(f"A {between} is interpolated linearly; leave the path out.")
    if between == "label":
        if settings.label is not None:
            raise SpecError("The label is interpolated; leave the label out, or choose the noise.")
        return [draw(settings.seed, label) for label in (start, end)]
    if not spec.latent.categories:
        raise SpecError(f"The model {spec.name!r} has no categories in its latent code.")
    ends = [draw(settings.seed, settings.label) for _ in "ab"]
    for inputs, category in zip(ends, (start, end), strict=True):
        hold_category(spec, inputs["noise"], category)
    return ends


def _interpolate_inputs(
    run: Run, ends: list[dict[str, np.ndarray]], shares: np.ndarray, settings: _Settings
) -> dict[str, np.ndarray]:
    """Return the inputs at fractions of the way, ordered by fraction."""
    spec, parts = run.spec, run.spec.latent.parts
    inputs = {name: _interpolate_linearly(ends[0][name], ends[1][name], shares) for name in ends[0]}
    path = settings.path or ("spherical" if spec.latent.distribution == "normal" else "linear")
    rest = slice(max((part.stop for part in parts.values()), default=0), None)
    if "noise" in inputs and path == "spherical":
        a, b = (end["noise"][:, rest] for end in ends)
        if (a != b).any():
            inputs["noise"][..., rest] = slerp(a, b, shares)  # codes and categories stay linear
    dtype = stored(run.record.precision)
    return {
        name: value.reshape(-1, value.shape[-1]).astype(dtype) for name, value in inputs.items()
    }


def _interpolate_linearly(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return points of a straight line (K, N, D); equal coordinates stay exactly equal."""
    share = shares[:, None, None]
    moved = (1 - share) * start + share * end
    return np.where(start == end, start, moved)
