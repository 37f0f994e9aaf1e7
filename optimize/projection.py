"""Projection: the latent vectors from which a generator makes given images.

Several starts are optimized for each image, all in one batch, by the distance of pixels and of
features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import default_extractor
from gandem.core.data.images import to_bytes
from gandem.core.errors import SpecError
from gandem.core.rng import Purpose, stream
from gandem.core.runs.generation.latents import LatentVectors, write_arrays
from gandem.core.runs.run import Run, open_run, pick_backend
from gandem.core.specs import Adam, Cosine, Optimizer, Spec, image_of
from gandem.core.training import (
    FEATURES,
    Arrays,
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
    DifferentiableEngine,
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
    """The vectors found for images.

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
        """Write ``noise``, ``labels``, ``errors``, ``images`` and ``targets`` to an ``.npz``."""
        labels = {} if self.latent.labels is None else {"labels": self.latent.labels}
        arrays = {"noise": self.latent.noise, **labels, "errors": self.errors}
        write_arrays(Path(path), {**arrays, "images": self.images, "targets": self.targets})

    def table(self, size: int | None = 56) -> Table:
        """Return the targets in a row above the reconstructions, with the errors as titles."""
        titles = tuple(f"{error:.2f}" for error in self.errors)
        return Table(np.stack([self.targets, self.images]), titles, ("target", "found"), size)


def project(
    run: Run | Path | str,
    images: Sequence[Path | str] | np.ndarray,
    *,
    label: int | str | None = None,
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
        steps: updates of each vector.
        restarts: vectors that are optimized for each image; the best one is returned.
        features: the extractor whose features are compared beside the pixels; by default that of
            the data if it can be differentiated, ``""`` for none.
        feature_weight: weight of the features.
        noise: standard deviation of the noise on the vectors at the first step, which falls to 0
            (Karras et al. 2020, arXiv:1912.04958, appendix D).
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
    search = _Search(opened, engine, network, options.ema, feature_weight, prior_weight)
    chunk = max(1, MAX_ROWS // restarts)
    best: list[tuple[Arrays, np.ndarray]] = []
    for first in range(0, len(targets), chunk):
        part = slice(first * restarts, (first + chunk) * restarts)
        rows = {key: value[part] for key, value in starts.items()}
        repeated = np.repeat(targets[first : first + chunk], restarts, axis=0)

        def show(step: int, evaluation: Evaluation, _: Arrays, first: int = first) -> None:
            if progress is not None:
                error = evaluation.report["pixels"].reshape(-1, restarts).min(axis=1)
                done = (first * steps + step * min(chunk, len(targets) - first)) // len(targets)
                progress(done, 255 * float(np.sqrt(error).mean()))

        drawn = stream(seed, Purpose.NOISE, part=first)

        def draw(step: int, drawn: Any = drawn, rows: Arrays = rows) -> Arrays:
            fall = max(0.0, 1 - step / (NOISE_SHARE * steps)) ** 2
            return {"noise": noise * fall * drawn.standard_normal(rows["noise"].shape)}

        vectors = minimize(
            search.prepare(rows, repeated),
            {"noise": rows["noise"]},
            optimizer,
            steps,
            limits=(-1, 1) if spec.latent.distribution == "uniform" else None,
            noise=draw if noise else None,
            on_step=show,
        )
        after = {**rows, **vectors}
        found = _generate(engine, spec, after, ema=options.ema)
        chosen = _errors(found, repeated).reshape(-1, restarts).argmin(axis=1)
        chosen += restarts * np.arange(len(chosen))
        best.append(({key: value[chosen] for key, value in after.items()}, found[chosen]))
    joined = {key: np.concatenate([part[key] for part, _ in best]) for key in best[0][0]}
    labels = joined["label"].argmax(axis=1) if "label" in joined else None
    latent = LatentVectors(joined["noise"], labels)
    return Projection(latent, np.concatenate([image for _, image in best]), targets, name)


@dataclass(frozen=True, slots=True)
class _Search:
    """The loss of the vectors of one engine."""

    run: Run
    engine: DifferentiableEngine
    network: FeatureNetwork | None
    average: bool
    feature_weight: float
    prior_weight: float

    def prepare(self, rows: Arrays, targets: np.ndarray) -> Callable[[Arrays], Evaluation]:
        """Return the evaluation of the loss of vectors, one row for each target."""
        image, dtype = image_of(self.run.spec), stored(self.run.record.precision)
        layers = self.network.content if self.network else ()
        constants = {"target": (targets / 255.0).astype(dtype)}
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
        is_normal = self.run.spec.latent.distribution == "normal"

        def objective(
            ops: Ops, apply: Apply, variables: Tensors, fixed: Tensors
        ) -> tuple[Tensor, dict[str, Tensor]]:
            vectors = variables["noise"]
            inputs = {"label": fixed["label"]} if "label" in fixed else {}
            made = apply("generator", noise=vectors, **inputs)
            unit = (made - image.low) / (image.high - image.low)
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
            if is_normal:
                length = ops.sum_rows(ops.square(vectors)) / vectors.shape[1]
                total = total + self.prior_weight * ops.square(length - 1)
            return ops.mean(total) * total.shape[0], {"pixels": distance}

        evaluate = self.engine.differentiate(objective, constants, average=self.average)
        category = self.run.spec.latent.parts.get("category", slice(0, 0))

        def hold_category(variables: Arrays) -> Evaluation:
            evaluation = evaluate(variables)
            if category.stop:  # a class of the latent code is no direction
                gradient = evaluation.gradients["noise"].copy()
                gradient[:, category] = 0
                evaluation = evaluation._replace(gradients={"noise": gradient})
            return evaluation

        return hold_category


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


def _start(
    run: Run, network: FeatureNetwork | None, options: GeneratorOptions
) -> DifferentiableEngine:
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
    engine: DifferentiableEngine,
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
    made = _generate(engine, run.spec, inputs, ema=ema)
    pixels, wanted = (x.reshape(len(x), -1).astype(np.float64) / 255 for x in (made, targets))
    squares = (pixels * pixels).sum(axis=1)[None] - 2 * wanted @ pixels.T  # (targets, candidates)
    nearest = squares.argsort(axis=1, kind="stable")[:, :count].ravel()
    return {name: value[nearest] for name, value in inputs.items()}


def _generate(engine: DifferentiableEngine, spec: Spec, inputs: Arrays, *, ema: bool) -> np.ndarray:
    """Return the images of a generator's inputs, uint8 (N, H, W, C)."""
    average = spec.training.averages and ema
    image = image_of(spec)
    made = [
        engine.forward(
            "generator",
            {name: value[first : first + MAX_ROWS] for name, value in inputs.items()},
            average=average,
        )
        for first in range(0, len(inputs["noise"]), MAX_ROWS)
    ]
    return to_bytes(np.concatenate(made), image.low, image.high)


def _errors(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the mean absolute error of each of two lists of uint8 images, (N,)."""
    difference = np.abs(images.astype(np.int16) - targets)
    errors: np.ndarray = difference.reshape(len(images), -1).mean(axis=1)
    return errors
