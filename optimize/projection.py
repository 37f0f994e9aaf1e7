"""Projection: the latent vectors from which a generator makes given images.

Several starts are optimized for each image, all in one batch, by the distance of pixels and of
features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gandem.core.data.dataset import default_extractor
from gandem.core.errors import SpecError
from gandem.core.rng import Purpose, stream
from gandem.core.runs.generation.latents import LatentVectors, write_arrays
from gandem.core.runs.generation.sampling import sample
from gandem.core.runs.generation.styles import find_styles, to_styles
from gandem.core.runs.run import Run, open_run, pick_backend
from gandem.core.specs import Adam, Cosine, Optimizer, image_of, plan_spec
from gandem.core.training import (
    FEATURES,
    Arrays,
    Differentiator,
    Evaluation,
    FeatureNetwork,
    Ops,
    Tensor,
    add_features,
    fixed_inputs,
    stored,
)
from gandem.optimize.engines import (
    Apply,
    Tensors,
    load_features,
    observe,
    start_engine,
)
from gandem.optimize.minimization import minimize
from gandem.optimize.pictures import fit_picture
from gandem.visualize.latent import GeneratorOptions, check_class
from gandem.visualize.traversal import Table

OPTIMIZER = Adam(learning_rate=Cosine(from_=0.1, to=0.002, end=1, unit="epochs"))
"""The optimizer by default; all steps are one epoch."""
CANDIDATES = 1000
"""Random vectors among which the starts are chosen."""
MAX_ROWS = 320
"""Vectors that are optimized in one batch."""
NOISE_SHARE = 0.75
"""The part of the steps in which noise is added, which falls to 0."""


@dataclass(frozen=True, slots=True)
class Projection:
    """The vectors of images.

    Attributes:
        latent: one vector for each image.
        images: what the generator makes of them, uint8 (N, H, W, C).
        targets: the given images, likewise.
        features: the extractor whose features were compared; empty if there was none.
    """

    latent: LatentVectors
    images: np.ndarray
    targets: np.ndarray
    features: str

    @property
    def errors(self) -> np.ndarray:
        """The mean absolute error of each image, (N,), in steps of 1/255 of the range of pixels."""
        return _errors(self.images, self.targets)

    def save(self, path: Path | str) -> None:
        """Write the vectors (``noise`` or ``styles``), ``labels``, ``errors``, ``images`` and
        ``targets`` to an ``.npz``.
        """
        results = {"errors": self.errors, "images": self.images, "targets": self.targets}
        write_arrays(Path(path), self.latent.arrays | results)

    def table(self, size: int | None = 56) -> Table:
        """Return the targets in a row above the reconstructions, with the errors as titles."""
        titles = tuple(f"{error:.2f}" for error in self.errors)
        rows = np.stack([self.targets, self.images])
        return Table(rows, titles, ("target", "reconstruction"), size)


def project(
    run: Run | Path | str,
    images: Sequence[Path | str] | np.ndarray,
    *,
    label: int | str | None = None,
    space: Literal["z", "w"] | None = None,
    steps: int = 1000,
    restarts: int = 4,
    features: str | None = None,
    feature_weight: float = 0.01,
    noise: float = 0.02,
    prior_weight: float = 1e-4,
    optimizer: Optimizer = OPTIMIZER,
    seed: int = 0,
    progress: Callable[[int, float], None] | None = None,
    **generator: Any,
) -> Projection:
    """Return the latent vectors from which the generator makes images most like the given ones.

    Args:
        run: a run, or its folder.
        images: files, or uint8 (N, H, W, C); others than the model's are cropped and resized.
        label: the class of all images, by number or name; by default it is searched: a start has
            the class of the random image that it comes from.
        space: of the vectors: the noise z, or the styles w of a generator with a ``styles`` layer,
            which is the default where there is one; all layers get the same w.
        steps: updates of each vector.
        restarts: vectors that are optimized for each image; the best one is returned.
        features: the extractor whose features are compared beside the pixels; by default that of
            the data if it can be differentiated, ``""`` for none.
        feature_weight: weight of the features.
        noise: standard deviation of the noise on the vectors at the first step, relative to theirs,
            which falls to 0 (Karras et al. 2020, arXiv:1912.04958, appendix D).
        prior_weight: weight that keeps vectors of normal noise at their usual length.
        seed: of the random vectors.
        progress: called with the number of steps made and the error of the best vectors.
        generator: ``backend``, ``device``, ``checkpoint`` and ``ema`` of :meth:`Run.generate`.

    Raises:
        SpecError: the model makes points, an unknown class, or a number out of range.
        DataError: an image cannot be read.
    """
    opened, options = open_run(run), GeneratorOptions(**generator)
    spec, shape = opened.spec, image_of(opened.spec).shape
    for name, count in {"steps": steps, "restarts": restarts, "images": len(images)}.items():
        if count < 1:
            raise SpecError(f"{name}: expected at least 1, received {count}.")
    targets = np.stack([fit_picture(image, shape) for image in images])
    number = None if label is None else check_class(spec, opened.find_label(label))
    network, name = _find_network(opened, features, options)
    engine = _start(opened, network, options)
    starts = _choose_starts(opened, engine, targets, number, restarts, seed, ema=options.ema)
    node = plan_spec(spec)["generator"].find_styles()
    if space == "w" or (space is None and node is not None):
        starts = to_styles(spec, engine, starts, ema=options.ema)
    key = "noise" if "noise" in starts else find_styles(spec).reference
    search = _Search(opened, engine, network, options.ema, feature_weight, prior_weight, key)
    chunk = max(1, MAX_ROWS // restarts)
    best: list[tuple[dict[str, np.ndarray], np.ndarray]] = []
    for first in range(0, len(targets), chunk):
        part = slice(first * restarts, (first + chunk) * restarts)
        rows = {name: value[part] for name, value in starts.items()}
        repeated = np.repeat(targets[first : first + chunk], restarts, axis=0)

        def show(step: int, evaluation: Evaluation, _: Arrays, first: int = first) -> None:
            if progress is not None:
                error = evaluation.report["pixels"].reshape(-1, restarts).min(axis=1)
                done = (first * steps + step * min(chunk, len(targets) - first)) // len(targets)
                progress(done, 255 * float(np.sqrt(error).mean()))

        drawn = stream(seed, Purpose.NOISE, part=first)
        deviation = noise * float(rows[key].std())

        def draw(
            step: int, drawn: Any = drawn, rows: Arrays = rows, deviation: float = deviation
        ) -> Arrays:
            fall = max(0.0, 1 - step / (NOISE_SHARE * steps)) ** 2
            return {key: search.tie(deviation * fall * drawn.standard_normal(rows[key].shape))}

        vectors = minimize(
            search.prepare(rows, repeated),
            {key: rows[key]},
            optimizer,
            steps,
            limits=(-1, 1) if key == "noise" and spec.latent.distribution == "uniform" else None,
            noise=draw if noise else None,
            on_step=show,
        )
        after = {**rows, **vectors}
        images = sample(spec, engine, after, ema=options.ema).images
        chosen = _errors(images, repeated).reshape(-1, restarts).argmin(axis=1)
        chosen += restarts * np.arange(len(chosen))
        best.append(({name: value[chosen] for name, value in after.items()}, images[chosen]))
    joined = {name: np.concatenate([part[name] for part, _ in best]) for name in starts}
    labels = joined["label"].argmax(axis=1) if "label" in joined else None
    latent = LatentVectors(joined[key][:, : search.size], labels, key != "noise")
    return Projection(latent, np.concatenate([image for _, image in best]), targets, name)


@dataclass(frozen=True, slots=True)
class _Search:
    """The loss of the vectors of one engine; ``key`` is the generator's input that they are."""

    run: Run
    engine: Differentiator
    network: FeatureNetwork | None
    average: bool
    feature_weight: float
    prior_weight: float
    key: str

    @property
    def size(self) -> int:
        """The length of a vector, of which styles have several copies."""
        spec = self.run.spec
        return spec.latent.size if self.key == "noise" else find_styles(spec).statistics[0].shape[0]

    def tie(self, values: np.ndarray) -> np.ndarray:
        """Return values (N, copies · size) with the mean of the copies in each copy."""
        copies = values.reshape(len(values), -1, self.size)
        mean = copies.mean(axis=1, keepdims=True)
        return np.broadcast_to(mean, copies.shape).reshape(values.shape)

    def prepare(self, rows: Arrays, targets: np.ndarray) -> Callable[[Arrays], Evaluation]:
        """Return the evaluation of the loss of vectors, one row for each target."""
        image, dtype = image_of(self.run.spec), stored(self.run.record.precision)
        layers = self.network.content if self.network else ()
        constants = {"target": (targets / 255.0).astype(dtype)}
        # a picture shows pixels out of range as black or white, so they match black or white
        constants |= {f"is {v}": (targets == v).astype(dtype) for v in (0, 255)}
        constants |= {"label": rows["label"]} if "label" in rows else {}
        if layers:
            unique, places = np.unique(targets, axis=0, return_inverse=True)
            report = observe(self.engine, (unique / 255.0).astype(dtype))
            for layer in layers:
                value = report[layer][places.ravel()]
                constants[f"features/{layer}"] = value
                square = (value * value).reshape(len(value), -1).sum(axis=1)
                constants[f"square/{layer}"] = np.maximum(square, 1e-6)
        pixels = float(np.prod(image.shape))
        has_prior = self.key == "noise" and self.run.spec.latent.distribution == "normal"

        def objective(
            ops: Ops, apply: Apply, variables: Tensors, fixed: Tensors
        ) -> tuple[Tensor, dict[str, Tensor]]:
            inputs = {"label": fixed["label"]} if "label" in fixed else {}
            output = apply("generator", **variables, **inputs)
            unit = (output - image.low) / (image.high - image.low)
            unit = unit - fixed["is 255"] * ops.relu(unit - 1) + fixed["is 0"] * ops.relu(-unit)
            distance = ops.sum_rows(ops.square(unit - fixed["target"])) / pixels
            total = distance
            if layers:
                received: dict[str, Tensor] = {}
                apply(FEATURES, received, image=unit)
                parts = [
                    ops.sum_rows(ops.square(received[layer] - fixed[f"features/{layer}"]))
                    / fixed[f"square/{layer}"]
                    for layer in layers
                ]
                total = total + self.feature_weight / len(layers) * sum(parts)
            if has_prior:
                vectors = variables["noise"]
                length = ops.sum_rows(ops.square(vectors)) / vectors.shape[1]
                total = total + self.prior_weight * ops.square(length - 1)
            return ops.mean(total) * total.shape[0], {"pixels": distance}

        evaluate = self.engine.differentiate(objective, constants, average=self.average)
        category = self.run.spec.latent.parts.get("category", slice(0, 0))

        def adjust(variables: Arrays) -> Evaluation:
            evaluation = evaluate(variables)
            gradient = self.tie(evaluation.gradients[self.key])
            if self.key == "noise" and category.stop:  # a class of the code is no direction
                gradient = gradient.copy()
                gradient[:, category] = 0
            return evaluation._replace(gradients={self.key: gradient})

        return adjust


def _find_network(
    run: Run, features: str | None, options: GeneratorOptions
) -> tuple[FeatureNetwork | None, str]:
    """Return the network of the features, and the name of the extractor; None for no features."""
    channels = image_of(run.spec).channels
    name = features
    if name is None:  # that of gray digits and clothes needs no download
        default = default_extractor(run.record.data.name)
        name = default if channels == 1 and default.startswith("lenet5") else ""
    if not name:
        return None, ""
    backend = options.backend or pick_backend(run.record.backend)
    return load_features(name, backend).network(channels), name


def _start(run: Run, network: FeatureNetwork | None, options: GeneratorOptions) -> Differentiator:
    """Return an engine with the generator of a run, and the features beside it."""
    spec, state = run.spec, run.checkpoint(options.checkpoint).state
    if network is not None:
        spec = add_features(spec, network.cut(network.content), network.content)
        state = state | {f"{FEATURES}/{name}": value for name, value in network.arrays.items()}
    backend = options.backend or pick_backend(run.record.backend)
    precision = stored(run.record.precision)
    return start_engine(spec, state, backend=backend, device=options.device, precision=precision)


def _choose_starts(
    run: Run,
    engine: Differentiator,
    targets: np.ndarray,
    label: int | None,
    count: int,
    seed: int,
    *,
    ema: bool,
) -> dict[str, np.ndarray]:
    """Return for each target the inputs of the ``count`` random images nearest to it."""
    candidates = max(CANDIDATES, count)
    labels = None if label is None else np.full(candidates, label)
    inputs = fixed_inputs(run.spec, seed, candidates, run.record.precision, labels)
    images = sample(run.spec, engine, inputs, ema=ema).images
    pixels, aims = (x.reshape(len(x), -1).astype(np.float64) / 255 for x in (images, targets))
    squares = (pixels * pixels).sum(axis=1)[None] - 2 * aims @ pixels.T  # (targets, candidates)
    nearest = squares.argsort(axis=1, kind="stable")[:, :count].ravel()
    return {name: value[nearest] for name, value in inputs.items()}


def _errors(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the mean absolute error of each of two lists of uint8 images, (N,)."""
    difference = np.abs(images.astype(np.int16) - targets)
    errors: np.ndarray = difference.reshape(len(images), -1).mean(axis=1)
    return errors
