"""Neural style transfer: a picture with the content of one picture and the style of others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gandem.core.data.images import save_image, to_bytes
from gandem.core.errors import SpecError
from gandem.core.rng import Purpose, stream
from gandem.core.runs.run import pick_backend
from gandem.core.specs import Adam, Cosine, Optimizer
from gandem.core.training import DifferentiableExtractor, Evaluation, stored
from gandem.optimize.engines import feature_engine, load_features, observe
from gandem.optimize.lbfgs import Lbfgs
from gandem.optimize.minimization import minimize
from gandem.optimize.pictures import fit_picture, keep_colors, read_picture
from gandem.optimize.style_loss import LOSSES, StyleLoss, variation_matrices
from gandem.visualize.animation import Animation
from gandem.visualize.curves import write_curves
from gandem.visualize.images import draw_table
from gandem.visualize.plot import COLORS
from gandem.visualize.series import Curves

Picture = Path | str | np.ndarray
OPTIMIZER = Adam(learning_rate=Cosine(from_=0.05, to=0.005, end=1, unit="epochs"))
"""The optimizer by default; all steps are one epoch."""
FRAMES = 40
"""Frames of an animation."""


@dataclass(frozen=True, slots=True)
class Stylized:
    """The result of a style transfer.

    Attributes:
        image: uint8 (H, W, 3).
        inputs: the content and the styles, uint8 (H, W, 3) each.
        losses: each of ``content``, ``style`` and ``variation`` before every step, (steps,).
        frames: the image after the steps of ``frame_steps``.
        features: the extractor with the beginning of its digest, ``"vgg16@0123456789ab"``.
    """

    image: np.ndarray
    inputs: tuple[np.ndarray, ...]
    losses: dict[str, np.ndarray]
    frames: tuple[np.ndarray, ...]
    frame_steps: tuple[int, ...]
    features: str

    def save(self, path: Path | str) -> None:
        """Write the image to a PNG."""
        save_image(Path(path), self.image)

    def save_beside(self, path: Path | str) -> None:
        """Write the content, the styles and the image, side by side, to a PNG."""
        shape = self.image.shape
        pictures = [*(fit_picture(each, shape) for each in self.inputs), self.image]
        styles = [f"style {i}" for i in range(1, len(self.inputs))]
        titles = ("content", *(styles if len(styles) > 1 else ["style"]), "result")
        save_image(Path(path), draw_table(np.stack([pictures]), titles))

    def save_curves(self, path: Path | str) -> None:
        """Write the losses over the steps to a ``.png`` or ``.svg``."""
        steps = np.arange(1, len(self.losses["content"]) + 1)
        series = {f"{name} loss": (steps, values) for name, values in self.losses.items()}
        last = float(steps[-1])
        curves = Curves(f"style transfer, {self.features}", COLORS[0], series, (), (), [], [], last)
        write_curves([curves], [Path(path)])

    def animate(self) -> Animation:
        """Return an animation of the frames."""
        frames = [frame[None] for frame in self.frames]
        titles = tuple(f"step {step}" for step in self.frame_steps)
        shape = (1, *self.image.shape[:2])
        return Animation(lambda: iter(frames), len(frames), shape, titles, fps=10, hold=2)


def stylize(
    content: Picture,
    styles: Picture | Sequence[Picture],
    *,
    size: int = 256,
    features: str = "vgg19",
    content_weight: float = 2.0,
    style_weight: float = 10.0,
    tv_weight: float = 10.0,
    style_weights: Sequence[float] | None = None,
    masks: Sequence[Picture] = (),
    layers: Sequence[str] | None = None,
    content_layers: Sequence[str] | None = None,
    init: Literal["content", "noise"] = "content",
    keep_content_colors: bool = False,
    steps: int = 300,
    optimizer: Optimizer | Lbfgs = OPTIMIZER,
    seed: int = 0,
    frame_interval: int = 0,
    backend: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    on_step: Callable[[int, dict[str, float], np.ndarray], None] | None = None,
) -> Stylized:
    """Return a picture with the content of one picture and the style of others.

    Args:
        content: a file, or uint8 (H, W, 1 to 4); styles: one or several of them.
        size: pixels of the longer side, of the result and of the styles.
        features: the extractor whose features are compared; see ``gandem list``.
        style_weights: one for each style, by default equal; only their ratios matter.
        masks: for each style a gray picture, white where the style applies.
        layers: the layers that define the style; by default those of the extractor.
        content_layers: those that define the content.
        init: start from the content or from noise.
        keep_content_colors: take only the luminance from the result.
        optimizer: with schedules over the steps, all of which are one epoch; or L-BFGS.
        frame_interval: steps between two frames; 0 keeps none.
        on_step: called with the number of the step, the losses before it, and the image after it,
            (1, H, W, 3) from 0 to 1.

    Raises:
        DataError: a picture cannot be read, or the weights of the features are not available.
        SpecError: a layer does not exist, or weights, masks and styles do not fit.
        RunError: the loss is not finite any more.
    """
    several = [styles] if isinstance(styles, Picture) else list(styles)
    shares = _check_weights(several, style_weights, masks, content_weight, style_weight, tv_weight)
    pictures = [read_picture(picture, size) for picture in (content, *several)]
    name = backend or pick_backend()
    extractor = load_features(features, name)
    network = extractor.network(3)
    loss = StyleLoss(
        content=tuple(content_layers or network.content),
        style=tuple(layers or network.style),
        content_weight=content_weight,
        style_weight=style_weight,
        variation_weight=tv_weight,
        style_weights=shares,
    )
    outputs = tuple(dict.fromkeys((*loss.content, *loss.style)))
    dtype = stored(precision)
    place = {"backend": name, "device": device, "precision": precision}
    engine = feature_engine(network, pictures[0].shape, outputs, **place)
    constants: dict[str, np.ndarray] = {}
    for index, picture in enumerate(pictures[1:]):
        same = picture.shape == pictures[0].shape
        other = engine if same else feature_engine(network, picture.shape, outputs, **place)
        report = observe(other, _to_unit(picture, dtype))
        for layer in loss.style:
            pixels = report[layer].reshape(-1, report[layer].shape[-1])
            constants |= _target(f"style/{index}/{layer}", (pixels.T @ pixels)[None] / len(pixels))
    image = _to_unit(pictures[0], dtype)
    report = observe(engine, image)
    for layer in loss.content:
        constants |= _target(f"content/{layer}", report[layer])
    for index in range(len(several)):
        mask = masks[index] if masks else None
        for layer in loss.style:
            constants[f"mask/{index}/{layer}"] = _mask(mask, report[layer].shape, dtype)
    for axis, side in zip(("rows", "columns"), image.shape[1:3], strict=True):
        constants[axis] = variation_matrices(side).astype(dtype)

    if init == "noise":
        drawn = stream(seed, Purpose.NOISE).normal(0.5, 0.2, image.shape)
        image = drawn.clip(0, 1).astype(dtype)
    rows: list[list[float]] = []
    frames: dict[int, np.ndarray] = {}

    def record(step: int, evaluation: Evaluation, variables: Mapping[str, np.ndarray]) -> None:
        losses = {name: float(evaluation.report[name]) for name in LOSSES}
        rows.append(list(losses.values()))
        if frame_interval and (step % frame_interval == 0 or step == steps):
            frames[step] = finish(variables["image"])
        if on_step is not None:
            on_step(step, losses, variables["image"])

    def finish(image: np.ndarray) -> np.ndarray:
        picture = to_bytes(image[0], 0, 1)
        return keep_colors(picture, pictures[0]) if keep_content_colors else picture

    evaluate = engine.differentiate(loss, constants)
    start = {"image": image}
    after = minimize(evaluate, start, optimizer, steps, limits=(0, 1), on_step=record)
    return Stylized(
        image=finish(after["image"]),
        inputs=tuple(pictures),
        losses=dict(zip(LOSSES, np.array(rows).T, strict=True)),
        frames=tuple(frames.values()),
        frame_steps=tuple(frames),
        features=_describe(extractor),
    )


def _check_weights(
    styles: Sequence[Picture],
    style_weights: Sequence[float] | None,
    masks: Sequence[Picture],
    *weights: float,
) -> tuple[float, ...]:
    """Return the share of each style.

    Raises:
        SpecError: weights are negative or sum to zero, or their number does not fit the styles.
    """
    shares = tuple(style_weights or (1.0,) * len(styles))
    for values in (shares, weights):
        if not all(0 <= value < float("inf") for value in values):
            raise SpecError(f"Expected weights from 0, received {', '.join(map(str, values))}.")
    if not sum(shares) or not sum(weights[:2]):
        what = "content and style" if sum(shares) else "styles"
        raise SpecError(f"The weights of {what} sum to zero; make one of them larger.")
    for what, count in {"weights": len(shares), "masks": len(masks) or len(styles)}.items():
        if count != len(styles) or not styles:
            raise SpecError(f"Expected as many {what} as styles, {len(styles)}; received {count}.")
    return tuple(share / sum(shares) for share in shares)


def _to_unit(picture: np.ndarray, dtype: str) -> np.ndarray:
    """Return a picture as one image (1, H, W, C) from 0 to 1."""
    return (picture[None] / 255.0).astype(dtype)


def _target(name: str, value: np.ndarray) -> dict[str, np.ndarray]:
    """Return a target of the loss, and its mean square.

    Raises:
        SpecError: it is zero, so nothing can be compared with it.
    """
    square = np.mean(value * value, dtype=value.dtype)
    if not square > 0:
        layer = name.rpartition("/")[2]
        raise SpecError(f"The features of the layer {layer!r} are all zero; choose another layer.")
    return {name: value, f"{name}/square": np.asarray(square)}


def _mask(mask: Picture | None, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return the roots of the shares of the pixels of a layer, (1, h, w, 1).

    Raises:
        SpecError: the mask is black.
    """
    _, height, width, _ = shape
    share = np.ones((height, width, 1))
    if mask is not None:
        share = fit_picture(mask, (height, width, 1)) / 255.0
    if not share.sum():
        raise SpecError("A mask is black everywhere; make it white where its style applies.")
    root: np.ndarray = np.sqrt(share / share.sum())[None]
    return root.astype(dtype)


def _describe(extractor: DifferentiableExtractor) -> str:
    return f"{extractor.name}@{extractor.digest[:12]}"
