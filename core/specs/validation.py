"""The validation of a whole spec, beyond the types of its fields."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping, Sequence

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs.gan import Player, Points, Spec, Transforms
from gandem.core.specs.layers import Styles
from gandem.core.specs.resolutions import check_images, check_outputs, image_shapes
from gandem.core.specs.shapes.graph import (
    FADE_IN,
    REFERENCE,
    NetworkPlan,
    Node,
    Shape,
    is_image,
)
from gandem.core.specs.shapes.inference import NAME, plan_network
from gandem.core.specs.shapes.stages import check_stages, result_spec, stage_specs

PLAYERS = ("generator", "discriminator")

_TAKEN = {
    **dict.fromkeys(("optimizer", "average", "lookahead", "running"), "a part of the state"),
    **dict.fromkeys(("penalty", "path_length", "class_loss", "augment_probability"), "a metric"),
    **dict.fromkeys(("step", "epoch", "steps_per_second", "seconds"), "a column of the log"),
    **dict.fromkeys(("stage", "fade_in"), "a column of the log"),
}
"""Reserved names, each with its meaning."""


def input_shapes(spec: Spec) -> dict[str, Shape]:
    """Return the shapes of the inputs available to a network, by name, without the batch axis."""
    shapes: dict[str, Shape] = {"noise": (spec.latent.size,), **image_shapes(spec)}
    if spec.classes:
        shapes["label"] = (spec.classes,)
    return shapes


def has_encoder(spec: Spec) -> bool:
    """Return True if the discriminator reads the noise, which an encoder gives for real images."""
    return "noise" in plan_spec(spec)["discriminator"].inputs


@functools.lru_cache(maxsize=64)
def plan_spec(spec: Spec) -> Mapping[str, NetworkPlan]:
    """Check a spec and return the plan of each player's network, by name.

    Of a training in stages these are the networks that result: those of the last stage.

    Raises:
        SpecError: naming the layer or field, and the remedy.
    """
    _check_names(spec)
    if not spec.image.low < spec.image.high:
        raise SpecError(
            f"image: low ({spec.image.low:g}) must be below high ({spec.image.high:g})."
        )
    check_stages(spec)
    check_outputs(spec)
    _check_protocol(spec)
    _check_regularization(spec)
    if spec.training.stages:
        return _plan_stages(spec)
    shapes = input_shapes(spec)
    packed = {
        name: shape if name == "label" else _pack(shape, spec.training.pac)
        for name, shape in shapes.items()
    }
    names = {player.name for player in spec.players}
    plans = {
        player.name: plan_player(
            player, packed if player.name == "discriminator" else shapes, names
        )
        for player in spec.players
    }
    _check_packing(spec)
    _check_generator(spec, plans["generator"])
    _check_path_length(spec, plans["generator"])
    _check_discriminator(spec, plans["discriminator"])
    check_images(spec, plans)
    if "noise" in plans["discriminator"].inputs:
        _check_encoder(spec, plans.get("encoder"))
    _check_features(spec, plans["discriminator"])
    for name, plan in plans.items():
        _check_mixing(plan)
        if name not in PLAYERS:
            _check_auxiliary(plan)
        if not plan.parameter_count:
            raise SpecError(
                f"{name}: none of its layers has parameters, so there is nothing to train; "
                "add a dense layer or a convolution."
            )
    _check_frozen(spec, [plans])
    return plans


def _plan_stages(spec: Spec) -> Mapping[str, NetworkPlan]:
    stages = []
    for index, stage in enumerate(stage_specs(spec)):
        try:
            stages.append(plan_spec(stage))
        except SpecError as error:
            raise SpecError(f"training.stages[{index}]: {error}") from None
    _check_frozen(spec, stages)
    return plan_spec(result_spec(spec))


def list_layers(player: Player, stages: Sequence[Mapping[str, NetworkPlan]]) -> dict[str, bool]:
    """Return the layers of a player in all stages by name, inner ones as ``"block/conv2d"``; True
    for those with weights of their own.
    """
    nodes = (node for plans in stages for node in plans[player.name].walk())
    return {node.path.partition("/")[2]: bool(node.parameters) for node in nodes}


def _check_frozen(spec: Spec, stages: Sequence[Mapping[str, NetworkPlan]]) -> None:
    for player in spec.players:
        layers = list_layers(player, stages)
        weighted = [name for name, has_weights in layers.items() if has_weights]
        for name in player.frozen:
            if name in weighted:
                continue
            if name in layers:
                problem = f"{shown(name)} has no weights of its own; name layers that have."
            else:
                problem = f"there is no layer {shown(name)}.{suggest(name, weighted)}"
            raise SpecError(f"{player.name}.frozen: {problem}")
    if not any(plan.trained() for plans in stages for plan in plans.values()):
        raise SpecError("All layers of all players are frozen; leave out those to train.")


def _pack(shape: Shape, count: int) -> Shape:
    """Return the shape of so many images, or points, side by side in the last axis."""
    return (*shape[:-1], shape[-1] * count)


def plan_player(
    player: Player, inputs: Mapping[str, Shape], names: Collection[str] = ()
) -> NetworkPlan:
    """Return the plan of a player's network; see :func:`plan_network`.

    Args:
        names: of all players.
    """
    return plan_network(
        player.name,
        player.input,
        player.layers,
        inputs,
        outputs=player.outputs,
        frozen=player.frozen,
        others={*names} - {player.name},
    )


def _check_names(spec: Spec) -> None:
    if not (spec.name.strip() and spec.name.isprintable() and len(spec.name) <= 100):
        raise SpecError(
            f"The spec cannot be called {shown(spec.name)}; use up to 100 printable characters."
        )
    names = [player.name for player in spec.players]
    for name in names:
        if not NAME.fullmatch(name):
            raise SpecError(
                f"A player cannot be called {shown(name)}; "
                "use letters, digits and '_', a letter first."
            )
        meaning = "a metric" if name.endswith("_accuracy") else _TAKEN.get(name)
        if meaning:
            raise SpecError(
                f"{name!r} is reserved ({meaning}); choose another name for the player."
            )
        if names.count(name) > 1:
            raise SpecError(f"Two players are called {name!r}; rename one of them.")
    for name in PLAYERS:
        if name not in names:
            raise SpecError(f"The spec has no player {name!r}; every GAN needs one.")


def _check_protocol(spec: Spec) -> None:
    training = spec.training
    if training.generator_batches > 1 and training.noise == "reused":
        raise SpecError(
            f"training.generator_batches: {training.generator_batches} batches are more than the "
            'discriminator leaves to reuse; set training.noise = "fresh".'
        )
    if training.ema_decay and training.ema_half_life:
        raise SpecError(
            "training.ema_half_life: it stands for training.ema_decay, and both are set; set one "
            "of them to 0."
        )
    if training.batches_per_epoch and training.sampling == "shuffled":
        raise SpecError(
            "training.batches_per_epoch: an epoch of shuffled data is as long as the data; set "
            'training.sampling = "replacement", or leave it 0.'
        )
    if isinstance(spec.image, Points):
        _check_points(spec)
    if spec.loss.class_weight and not spec.classes:
        raise SpecError("loss.class_weight: there are no classes to predict; set classes.")


def _check_regularization(spec: Spec) -> None:
    """Refuse settings of augmentation and penalties that have no effect."""
    loss, training = spec.loss, spec.training
    augment, consistency = training.augment, loss.consistency
    if not augment.changes and (augment.adaptive_target or augment.probability != 1.0):
        name = "adaptive_target" if augment.adaptive_target else "probability"
        raise SpecError(
            f"training.augment.{name}: there is nothing to apply; choose what to change, for "
            "example training.augment.flip = true."
        )
    if (consistency.real or consistency.fake) and not consistency.changes:
        raise SpecError(
            f"loss.consistency.{'real' if consistency.real else 'fake'}: images are compared with "
            "themselves; choose what to change, for example loss.consistency.flip = true."
        )
    if loss.penalty_interval > 1 and not loss.penalizes_gradients:
        raise SpecError(
            f"loss.penalty_interval: there is no gradient penalty to compute every "
            f"{loss.penalty_interval} steps; set loss.r1 or loss.gradient_penalty, or leave it 1."
        )
    if loss.path_length.interval > 1 and not loss.path_length.weight:
        raise SpecError(
            "loss.path_length.interval: there is no penalty to compute every "
            f"{loss.path_length.interval} steps; set loss.path_length.weight, or leave it 1."
        )


def _check_packing(spec: Spec) -> None:
    training = spec.training
    if training.pac > 1 and spec.classes:
        raise SpecError(
            f"training.pac: {training.pac} images of different classes have no common label; set "
            "classes = 0 or training.pac = 1."
        )
    if training.batch_size % training.pac:
        raise SpecError(
            f"training.pac: a batch of {training.batch_size} images cannot be divided into groups "
            f"of {training.pac}; set batch_size to a multiple of it."
        )


def _check_path_length(spec: Spec, plan: NetworkPlan) -> None:
    setting, outputs = spec.loss.path_length, spec.player("generator").outputs
    if not setting.weight:
        return
    if setting.layer not in outputs:
        raise SpecError(
            f"loss.path_length.layer: {shown(setting.layer)} is not among the outputs of the "
            f"generator, {shown(list(outputs))}; name one, or add it there."
        )
    plan.part((*plan.inputs, REFERENCE + setting.layer))


def count_copies(spec: Spec, layer: str) -> int:
    """Return how many copies of a vector the output of a layer of the generator has."""
    nodes = plan_spec(spec)["generator"].walk()
    node = next(node for node in nodes if node.reference == REFERENCE + layer)
    return node.layer.count if isinstance(node.layer, Styles) else 1


def _check_points(spec: Spec) -> None:
    """Refuse changes of pixels in a spec of points."""
    training = spec.training
    changes = {"training.flip": training.flip}
    for name, transforms in (
        ("training.augment", training.augment),
        ("loss.consistency", spec.loss.consistency),
    ):
        for field in dataclasses.fields(Transforms):
            changes[f"{name}.{field.name}"] = getattr(transforms, field.name)
    for name, value in changes.items():
        if value:
            raise SpecError(
                f"{name}: the spec {spec.name!r} makes points, which have no pixels to move; set "
                f"{name}={'false' if value is True else 0}."
            )


def _last_that_computes(plan: NetworkPlan) -> Node:
    """Return the last layer that does not keep the range of its inputs."""
    nodes = (node for node in reversed(plan.nodes) if not node.layer.keeps_range)
    return next(nodes, plan.nodes[-1])


def _check_mixing(plan: NetworkPlan) -> None:
    for node in plan.drawing_nodes():
        is_first = plan.name == "generator" and plan.input == "noise" and node is plan.nodes[0]
        if node.layer.draws == "mixing" and not is_first:
            raise SpecError(
                f"{node.path}: style mixing needs another noise vector, so the layer must be the "
                "first of the generator and read the noise; move it, or set mixing = 0."
            )


def _check_generator(spec: Spec, plan: NetworkPlan) -> None:
    if any(is_image(name) for name in plan.inputs):
        raise SpecError("generator: it cannot read the real image; its inputs are noise and label.")
    last = plan.nodes[-1]
    if plan.output_shape != spec.image.shape:
        raise SpecError(
            f"{last.path}: the generator ends in {plan.output_shape}, the spec's image is "
            f"{spec.image.shape}; change the layers or the image."
        )
    last = _last_that_computes(plan)
    pixels = last.layer.output_range
    if pixels and pixels != (spec.image.low, spec.image.high):
        raise SpecError(
            f"{last.path}: {last.layer.kind} makes pixels from {pixels[0]:g} to {pixels[1]:g}, "
            f"the image of the spec has {spec.image.low:g} to {spec.image.high:g}; "
            "set image.low and image.high to match."
        )


def _check_discriminator(spec: Spec, plan: NetworkPlan) -> None:
    last = plan.nodes[-1]
    if "image" not in plan.inputs:
        raise SpecError("discriminator: it does not read the image; set input = 'image'.")
    activation = _last_that_computes(plan)
    if activation.layer.output_range == (0.0, 1.0):
        raise SpecError(
            f"{activation.path}: a discriminator returns logits; leave the last "
            f"{activation.layer.kind} out, the loss contains it."
        )
    classifies = bool(spec.loss.class_weight)
    if classifies and "label" in plan.inputs:
        raise SpecError(
            "discriminator: it reads the label that it should predict; leave that out, or set "
            "loss.class_weight = 0."
        )
    expected = (1 + spec.classes,) if classifies else (1,)
    if plan.output_shape != expected:
        shape_text = f"one logit, and one per class {expected}" if classifies else "one logit (1,)"
        raise SpecError(
            f"{last.path}: the discriminator ends in {plan.output_shape}, expected {shape_text}; "
            f"end it with dense units = {expected[0]}."
        )


def _check_encoder(spec: Spec, plan: NetworkPlan | None) -> None:
    """Check that an encoder gives real images the noise that the discriminator reads."""
    if plan is None:
        raise SpecError(
            "discriminator: it reads the noise, which real images do not have; add a player "
            "'encoder' with input = 'image', or read only image and label."
        )
    size = spec.latent.size
    if plan.output_shape != (size,):
        raise SpecError(
            f"{plan.nodes[-1].path}: the encoder ends in {plan.output_shape}, the noise is "
            f"{(size,)}; end it with dense units = {size}."
        )
    for name in ("gradient_penalty", "r1", "r2"):
        if getattr(spec.loss, name):
            raise SpecError(
                f"loss.{name}: the discriminator reads the noise beside the image, and gradient "
                f"penalties differentiate by the image alone; set loss.{name} = 0."
            )


def _check_features(spec: Spec, plan: NetworkPlan) -> None:
    if spec.loss.feature_matching and not plan.outputs:
        raise SpecError(
            "loss.feature_matching: no layer is named whose outputs are compared; set "
            "discriminator.outputs to the names of layers, for example "
            f"discriminator.outputs = [{plan.nodes[-2:][0].reference.removeprefix('layer:')!r}]."
        )
    if not (spec.loss.adversarial_weight or spec.loss.feature_matching):
        raise SpecError(
            "loss.adversarial_weight: 0 leaves the generator without a loss; set "
            "loss.feature_matching."
        )


def _check_auxiliary(plan: NetworkPlan) -> None:
    if not all(is_image(name) for name in plan.inputs.keys() - {FADE_IN}):
        raise SpecError(
            f"{plan.nodes[0].path}: an auxiliary network reads only the image; set input = 'image'."
        )
