"""Engines that differentiate functions of images through networks of features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gandem.core.errors import BackendError, SpecError
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.runs.run import pick_backend, pick_device
from gandem.core.specs import Image, Spec
from gandem.core.training import (
    FEATURES,
    DifferentiableExtractor,
    Differentiator,
    FeatureNetwork,
    Ops,
    Tensor,
    add_features,
    complete_state,
    hollow_spec,
    load_backend,
    load_loss,
    stored,
)
from gandem.metrics.evaluation.features import load_extractor

Apply = Callable[..., Tensor]
"""Runs a player in inference mode; see :class:`gandem.core.training.Players`."""
Tensors = Mapping[str, Tensor]


def load_features(name: str, backend: str) -> DifferentiableExtractor:
    """Return an extractor whose network can be differentiated.

    Args:
        name: ``"vgg19"``, ``"lenet5:digits"``, as users type it.

    Raises:
        SpecError: it has no network.
        NotFoundError, DataError, BackendError: it cannot be created; the message says what to do.
    """
    extractor = load_extractor(name, backend)
    if not isinstance(extractor, DifferentiableExtractor):
        raise SpecError(
            f"The extractor {name!r} gives no network to differentiate; choose vgg19, vgg16, "
            "vgg-random or lenet5."
        )
    return extractor


def start_engine(
    spec: Spec,
    arrays: Mapping[str, np.ndarray],
    *,
    backend: str | None = None,
    device: str = "auto",
    precision: str = "float32",
) -> Differentiator:
    """Return an engine of a spec with these arrays, and zeros in the rest of the state.

    Raises:
        BackendError: the backend cannot differentiate functions of images.
    """
    name = backend or pick_backend()
    loaded = load_backend(name)
    with report_memory_errors():
        engine = loaded.engine(
            spec,
            load_loss(spec.loss),
            complete_state(spec, arrays, stored(precision)),
            precision=precision,
            device=pick_device(loaded.devices(), device),
        )
    if not isinstance(engine, Differentiator):
        raise BackendError(
            f"Backend {name!r} cannot differentiate functions of images (its engine has no "
            "'differentiate'); choose another backend."
        )
    return engine


def feature_engine(
    network: FeatureNetwork,
    shape: tuple[int, ...],
    outputs: Sequence[str],
    *,
    backend: str | None,
    device: str,
    precision: str,
) -> Differentiator:
    """Return an engine with the player ``features`` for images from 0 to 1 of a shape (H, W, C).

    Raises:
        SpecError: a layer does not exist, or the images are too small for it.
    """
    height, width, channels = shape
    image = Image(height=height, width=width, channels=channels, low=0.0, high=1.0)
    spec = add_features(hollow_spec(image), network.cut(outputs), outputs)
    arrays = {f"{FEATURES}/{name}": value for name, value in network.arrays.items()}
    return start_engine(spec, arrays, backend=backend, device=device, precision=precision)


def observe(engine: Differentiator, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return the outputs that the player ``features`` lists, by layer, for images (N, H, W, C) from
    0 to 1.
    """

    def objective(
        ops: Ops, apply: Apply, variables: Tensors, constants: Tensors
    ) -> tuple[Tensor, dict[str, Tensor]]:
        features: dict[str, Tensor] = {}
        apply(FEATURES, features, image=constants["image"])
        return ops.mean(variables["unused"]), features

    evaluate = engine.differentiate(objective, {"image": images})
    return evaluate({"unused": np.zeros(1, images.dtype)}).report
