"""Frozen layers: how they are named, what is refused, and what a training of them keeps."""

import pytest

from gandem.core.errors import SpecError
from gandem.core.specs import change, digest, freeze_layers, load_spec, plan_spec, stage_specs
from gandem.core.training import state_shapes

DCGAN = load_spec("dcgan", {"latent": 4, "width": 2})


def frozen(spec, *patterns):
    return {player.name: player.frozen for player in freeze_layers(spec, patterns).players}


def refusal(spec, *patterns):
    with pytest.raises(SpecError) as caught:
        freeze_layers(spec, patterns)
    return str(caught.value)


@pytest.mark.parametrize(
    ("patterns", "layers"),
    [
        (["discriminator.conv2d"], ("conv2d",)),
        (["discriminator/conv2d_1", "discriminator.batch_norm"], ("batch_norm", "conv2d_1")),
        (["discriminator.conv2d*"], ("conv2d", "conv2d_1")),
        (["discriminator"], ("batch_norm", "conv2d", "conv2d_1", "dense")),
    ],
)
def test_patterns_choose_layers_with_weights(patterns, layers):
    assert frozen(DCGAN, *patterns) == {"generator": (), "discriminator": layers}


def test_the_layers_inside_a_block_are_frozen_with_it():
    names = frozen(load_spec("sngan", small=True), "discriminator.residual")["discriminator"]

    assert names
    assert all(name.startswith("residual/") for name in names)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("discriminator.conv2", "Did you mean 'discriminator.conv2d'?"),
        ("discrimnator", "Did you mean 'discriminator'?"),
        ("discriminator.leaky_relu", "no layer with weights fits 'discriminator.leaky_relu'"),
        ("*", "All layers of all players are frozen; leave out those to train."),
    ],
)
def test_what_cannot_be_frozen_is_refused(pattern, message):
    assert message in refusal(DCGAN, pattern)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["conv2"], "discriminator.frozen: there is no layer 'conv2'. Did you mean 'conv2d'?"),
        (["flatten"], "discriminator.frozen: 'flatten' has no weights of its own;"),
    ],
)
def test_a_spec_that_freezes_no_layer_of_that_name_is_refused(names, message):
    with pytest.raises(SpecError) as caught:
        change(DCGAN, {"discriminator.frozen": names})

    assert message in str(caught.value)


def test_the_order_of_the_names_does_not_matter():
    one, other = (
        change(DCGAN, {"discriminator.frozen": names})
        for names in (["dense", "conv2d"], ["conv2d", "dense", "dense"])
    )

    assert digest(one) == digest(other) != digest(DCGAN)


def test_the_state_has_no_slots_for_frozen_layers():
    whole, part = state_shapes(DCGAN), state_shapes(freeze_layers(DCGAN, ["generator.dense"]))

    slots = {f"optimizer/generator/dense/kernel/{n}_moment" for n in ("first", "second")}
    assert whole.keys() - part.keys() == slots


def test_layers_stay_frozen_in_each_stage_that_has_them():
    spec = load_spec("progan", small=True)
    heads = {p.name: [x.name for x in p.layers if x.kind == "head"] for p in spec.players}
    first = heads["discriminator"][-1]

    stages = stage_specs(freeze_layers(spec, [f"discriminator.{first}"]))

    names = [
        {p.name for p in plan.parameters()} - {p.name for p in plan.trained()}
        for plan in (plan_spec(stage)["discriminator"] for stage in stages)
    ]
    assert names[0]
    assert all(name.startswith(f"discriminator/{first}/") for name in names[0])
    assert not names[-1]
