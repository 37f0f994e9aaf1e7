"""Directions of a latent space along which the images of a generator change most."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gandem.core.errors import RunError, SpecError, shown, suggest
from gandem.core.machine import check_memory
from gandem.core.runs.generation.latents import write_arrays
from gandem.core.runs.run import Run, open_run, pick_backend
from gandem.core.specs import REFERENCE, Dense, Node, Spec, plan_spec
from gandem.core.training import Ops, Tensor, fixed_inputs, stored
from gandem.optimize.engines import Apply, Tensors, start_engine
from gandem.visualize.latent import GeneratorOptions, is_conditional

CHUNK = 250
"""Samples whose features are computed at once."""


@dataclass(frozen=True, slots=True)
class Directions:
    """Directions, the most important first.

    Attributes:
        vectors: (N, latent.size), of length 1.
        shares: the share of each in the variance of the outputs of the layer, or in the sum of the
            squares of its weights, (N,).
        method: ``"pca"`` or ``"weights"``.
        layer: the layer of the generator.
        is_conditional: True if the generator reads a label.
    """

    vectors: np.ndarray
    shares: np.ndarray
    method: str
    layer: str
    is_conditional: bool

    def save(self, path: Path | str) -> None:
        """Write ``directions``, ``shares``, ``method`` and ``layer`` to an ``.npz``."""
        arrays = {"directions": self.vectors, "shares": self.shares}
        names = {"method": np.array(self.method), "layer": np.array(self.layer)}
        write_arrays(Path(path), arrays | names)


def directions(
    run: Run | Path | str,
    *,
    method: Literal["pca", "weights"] = "pca",
    layer: str | None = None,
    count: int = 8,
    samples: int = 2000,
    seed: int = 0,
    **generator: Any,
) -> Directions:
    r"""Return directions of the noise along which the images of a generator change most.

    ``"pca"``: the principal components of the outputs of a layer, and for each the direction of the
    noise that least squares gives for its coordinate. Härkönen et al. 2020, "GANSpace",
    arXiv:2004.02546, section 2.2.
    ``"weights"``: the eigenvectors of :math:`A A^T`, where A are the rows of the first layer's
    kernel that noise enters. Shen & Zhou 2021, "Closed-form factorization of latent semantics in
    GANs", arXiv:2007.06600.

    Args:
        layer: of the generator, for ``"pca"``; by default the one before the second layer with a
            kernel.
        count: number of directions.
        samples: number of noise vectors, for ``"pca"``.
        generator: ``backend``, ``device``, ``checkpoint`` and ``ema`` of :meth:`Run.generate`.

    Raises:
        SpecError: no such layer, or the first layer has no kernel that noise enters.
        RunError: the outputs or the weights are not finite, or take too much memory.
    """
    opened, options = open_run(run), GeneratorOptions(**generator)
    if method == "weights":
        if layer is not None:
            raise SpecError("The method 'weights' reads the first layer; leave the layer out.")
        vectors, shares, name = _factor_weights(opened, options)
    else:
        vectors, shares, name = _analyze_outputs(opened, options, layer, samples, seed)
    return Directions(
        vectors=vectors[:count],
        shares=shares[:count],
        method=method,
        layer=name,
        is_conditional=is_conditional(opened.spec),
    )


def _factor_weights(run: Run, options: GeneratorOptions) -> tuple[np.ndarray, np.ndarray, str]:
    spec = run.spec
    node = plan_spec(spec)["generator"].nodes[0]
    if not isinstance(node.layer, Dense) or spec.player("generator").input != "noise":
        raise SpecError(
            f"The generator of {spec.name!r} starts with {node.layer.kind!r}, not with a dense "
            "layer that reads the noise; choose --method pca."
        )
    state = run.state(options.checkpoint)
    averaged = f"average/{node.path}/kernel"
    is_averaged = options.ema and averaged in state
    kernel = state[averaged if is_averaged else f"{node.path}/kernel"].astype(np.float64)
    kernel = kernel[: spec.latent.size]
    _check_finite(kernel, f"weights of {node.path}")
    vectors, singular, _ = np.linalg.svd(kernel, full_matrices=False)
    squares = singular**2
    return _orient(vectors.T), squares / squares.sum(), node.reference.removeprefix(REFERENCE)


def _analyze_outputs(
    run: Run, options: GeneratorOptions, layer: str | None, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    spec, precision = run.spec, stored(run.record.precision)
    name = _find_layer(spec, layer)
    generator = spec.player("generator")
    observing = replace(generator, outputs=tuple(dict.fromkeys((*generator.outputs, name))))
    players = (observing if player is generator else player for player in spec.players)
    check_memory(
        _measure_memory(spec, name, samples), f"{shown(samples)} samples", "choose fewer of them"
    )
    engine = start_engine(
        replace(spec, players=tuple(players)),
        run.state(options.checkpoint),
        backend=options.backend or pick_backend(run.record.backend),
        device=options.device,
        precision=precision,
    )

    def objective(
        ops: Ops, apply: Apply, variables: Tensors, constants: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        outputs: dict[str, Tensor] = {}
        apply("generator", outputs, **variables)
        return ops.mean(outputs[name]), {"outputs": outputs[name]}

    evaluate = engine.differentiate(objective, {}, average=options.ema)
    inputs = fixed_inputs(spec, seed, samples, precision)
    parts = [
        evaluate({key: value[first : first + CHUNK] for key, value in inputs.items()}).report
        for first in range(0, samples, CHUNK)
    ]
    outputs = np.concatenate([part["outputs"].reshape(len(part["outputs"]), -1) for part in parts])
    _check_finite(outputs, f"outputs of the layer {name!r}")
    coordinates, squares = _find_components(outputs)
    if not squares.sum():
        raise SpecError(f"The outputs of the layer {name!r} are all equal; choose another layer.")
    noise = inputs["noise"].astype(np.float64)
    vectors = coordinates.T @ (noise - noise.mean(axis=0))  # least squares, up to the length
    return _orient(vectors), squares / squares.sum(), name


def _find_components(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates of outputs (N, D) along their principal components, up to a factor for
    each, (N, K), and the sums of their squares, (K,), the largest first; K is the smaller of N and
    D.

    The eigenvectors of the smaller of the two products of the centered outputs with themselves take
    a tenth of the time of their singular value decomposition.
    """
    centered = outputs.astype(np.float64) - outputs.mean(axis=0, dtype=np.float64)
    is_tall = len(centered) > centered.shape[1]
    product = centered.T @ centered if is_tall else centered @ centered.T
    squares, vectors = np.linalg.eigh(product)  # the smallest first
    squares, vectors = squares[::-1].clip(0), vectors[:, ::-1]
    return centered @ vectors if is_tall else vectors, squares


def _measure_memory(spec: Spec, layer: str, samples: int) -> int:
    """Return the bytes that the outputs of a layer take, in single and twice in double precision,
    and their product.
    """
    nodes = plan_spec(spec)["generator"].walk()
    (shape,) = (node.output_shape for node in nodes if node.reference == REFERENCE + layer)
    size = math.prod(shape)
    return 20 * samples * size + 8 * min(samples, size) ** 2


def _check_finite(values: np.ndarray, subject: str) -> None:
    if not np.isfinite(values).all():
        raise RunError(f"The {subject} are not finite; choose an earlier checkpoint.")


def _find_layer(spec: Spec, layer: str | None) -> str:
    """Return the name of a layer of the generator: the given one, or the one before the second
    layer with a kernel.

    Raises:
        SpecError: it does not exist.
    """
    plan = plan_spec(spec)["generator"]
    nodes = {node.reference.removeprefix(REFERENCE): node for node in plan.walk()}
    if layer is None:
        weighted = [name for name, node in nodes.items() if _has_kernel(node)]
        before = list(nodes).index(weighted[1]) - 1 if len(weighted) > 1 else 0
        return list(nodes)[before]
    if layer not in nodes:
        raise SpecError(f"The generator has no layer {shown(layer)}.{suggest(layer, nodes)}")
    return layer


def _has_kernel(node: Node) -> bool:
    return any(parameter.name.endswith("/kernel") for parameter in node.parameters)


def _orient(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (N, D) of length 1 whose largest element is positive, so that they are equal
    on all backends.
    """
    largest = np.abs(vectors).argmax(axis=1)
    signs = np.sign(vectors[np.arange(len(vectors)), largest])
    lengths = np.linalg.norm(vectors, axis=1)
    result: np.ndarray = vectors * (signs / np.where(lengths, lengths, 1))[:, None]
    return result
