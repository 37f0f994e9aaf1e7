"""The networks of each stage of a training, cut from the networks of the whole spec.

A stage is a spec of its own without stages: its networks, image, batch size and learning rates.
Layers keep their names, so one state holds the arrays of all stages by name.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import fields, replace

from gandem.core.errors import SpecError
from gandem.core.specs.gan import Image, Player, Spec, Training
from gandem.core.specs.layers import AveragePool2D, Blend, FadeIn, Head, Layer, Upsample2D
from gandem.core.specs.shapes.graph import REFERENCE
from gandem.core.specs.shapes.inference import layer_names, walk_layers

RESIZE = "resize"
"""The name of the layer that brings the head of the stage before to the resolution of a stage."""


@functools.lru_cache(maxsize=64)
def stage_specs(spec: Spec) -> tuple[Spec, ...]:
    """Return the spec of each stage; of a spec without stages, the spec itself.

    Where new layers fade in, the networks read the fade-in weight.
    """
    stages = range(len(spec.training.stages))
    return tuple(_derive(spec, stage, None) for stage in stages) or (spec,)


@functools.lru_cache(maxsize=64)
def result_spec(spec: Spec, stage: int = -1, fade_in: float = 1.0) -> Spec:
    """Return the spec of the networks of a stage, by default the last one, at a fade-in weight."""
    return _derive(spec, range(len(spec.training.stages))[stage], fade_in)


def _derive(spec: Spec, index: int, fade_in: float | None) -> Spec:
    """Return the spec of a stage.

    Args:
        fade_in: the constant fade-in weight; None for networks that read it.
    """
    stage, image = spec.training.stages[index], spec.image
    assert isinstance(image, Image)
    old = spec.training.stages[index - 1].resolution if stage.fade_in and fade_in != 1 else None
    width = image.width * stage.resolution // image.height
    players = []
    for player in spec.players:
        optimizer = player.optimizer
        if stage.learning_rate is not None:
            optimizer = replace(optimizer, learning_rate=stage.learning_rate)
        layers = _cut(player, stage.resolution, old, fade_in)
        paths = {path for path, _ in walk_layers(player.name, layers)}
        frozen = tuple(n for n in player.frozen if f"{player.name}/{n}" in paths)
        players.append(replace(player, layers=layers, optimizer=optimizer, frozen=frozen))
    batch_size = stage.batch_size or spec.training.batch_size
    return replace(
        spec,
        image=replace(image, height=stage.resolution, width=width),
        training=replace(spec.training, stages=(), batch_size=batch_size),
        players=tuple(players),
    )


def _cut(
    player: Player, resolution: int, old: int | None, fade_in: float | None
) -> tuple[Layer, ...]:
    """Return the layers that a player has in a stage, each with its name in the whole network.

    Args:
        old: the resolution of the head that fades out, if one does.
    """
    heads = _find_heads(player)
    layers = _name_layers(player)
    if not heads:
        return layers
    here = heads[resolution]
    reads_images = player.input == "image"
    kept = range(here, len(layers)) if reads_images else range(here + 1)
    places = {i: layers[i] for i in kept if i == here or i not in heads.values()}
    if old is None:
        return tuple(places.values())
    before = layers[heads[old]]
    assert isinstance(before, Head)
    resized: tuple[Layer, ...] = (*before.layers, Upsample2D(name=RESIZE))
    source, place = player.input, here + 1
    if reads_images:
        resized, place = (AveragePool2D(name=RESIZE), *before.layers), heads[old]
    elif heads[old]:
        source = f"{REFERENCE}{layers[heads[old] - 1].name}"
    blend: Blend = FadeIn(name=before.name, input=source, layers=resized)
    if fade_in is not None:
        blend = Blend(name=before.name, input=source, layers=resized, weight=fade_in)
    places[place] = blend
    return tuple(places[i] for i in sorted(places))


def _name_layers(player: Player) -> tuple[Layer, ...]:
    """Return the layers of a player, each with its canonical name."""
    names = layer_names(player.name, player.layers)
    return tuple(replace(x, name=n) for x, n in zip(player.layers, names, strict=True))


def _find_heads(player: Player) -> dict[int, int]:
    """Return the position of each head of a player by its resolution."""
    return {x.resolution: i for i, x in enumerate(player.layers) if isinstance(x, Head)}


def check_stages(spec: Spec) -> None:
    """Check the list of stages, and that each has a head and each layer a stage.

    Raises:
        SpecError: naming the field or the layer.
    """
    stages, image = spec.training.stages, spec.image
    if not stages:
        for player in spec.players:
            for path, layer in zip(_paths(player), player.layers, strict=True):
                if isinstance(layer, Head) and layer.resolution != image.shape[0]:
                    raise SpecError(
                        f"{path}: a head of {layer.resolution} pixels is part of stages of that "
                        "resolution; set training.stages."
                    )
        return
    if not isinstance(image, Image):
        raise SpecError("training.stages: points have no resolution; leave the stages out.")
    epochs = next(field for field in fields(Training) if field.name == "epochs")
    if spec.training.epochs != epochs.default:
        raise SpecError(
            f"training.epochs: the stages say how long the training is; leave out "
            f"{spec.training.epochs}, or change the lengths of the stages."
        )
    for index, stage in enumerate(stages):
        place, resolution = f"training.stages[{index}]", stage.resolution
        before = stages[index - 1].resolution if index else resolution
        if resolution not in (before, 2 * before):
            raise SpecError(
                f"{place}.resolution: expected {before} as before or {2 * before}, twice as much; "
                f"received {resolution}."
            )
        if stage.fade_in and resolution == before:
            raise SpecError(
                f"{place}.fade_in: the stage has no new layers to fade in; set it to 0."
            )
        if stage.fade_in > stage.length:
            raise SpecError(
                f"{place}.fade_in: {stage.fade_in:g} {stage.unit} do not fit into the "
                f"{stage.length:g} of the stage; make it shorter, or the stage longer."
            )
        if image.width * resolution % image.height:
            raise SpecError(
                f"{place}.resolution: the image of {image.height}×{image.width} has no whole width "
                f"at {resolution} pixels of height."
            )
    if resolution != image.height:
        raise SpecError(
            f"training.stages[{len(stages) - 1}].resolution: the last stage makes {resolution} "
            f"pixels of height, the spec's image has {image.height}; add stages, or set the image."
        )
    for player in spec.players:
        _check_heads(spec, player)


def _check_heads(spec: Spec, player: Player) -> None:
    heads = _find_heads(player)
    counts = [layer.resolution for layer in player.layers if isinstance(layer, Head)]
    resolutions = {stage.resolution: i for i, stage in enumerate(spec.training.stages)}
    if not heads and player.name != "generator" and player.input != "image":
        return
    for resolution, index in resolutions.items():
        if counts.count(resolution) != 1:
            available = ", ".join(map(str, counts)) or "none"
            raise SpecError(
                f"{player.name}: expected one head of {resolution} pixels for "
                f"training.stages[{index}]; its heads have {available}."
            )
    used = {x.name for each in resolutions for x in _cut(player, each, None, 1.0)}
    for path in _paths(player):
        if path.partition("/")[2] not in used:
            raise SpecError(f"{path}: no stage uses this layer; remove it, or add a stage.")


def _paths(player: Player) -> Iterator[str]:
    """Yield the path of each layer of a player."""
    return (f"{player.name}/{layer.name}" for layer in _name_layers(player))
