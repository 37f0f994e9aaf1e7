"""InfoGAN: its networks at the width of the paper, and the loss of its recognizer."""

import numpy as np
import pytest

from gandem.core.errors import SpecError
from gandem.core.specs import load_spec, plan_spec
from gandem.core.training import NumpyOps, resolve_loss
from gandem.losses.infogan import InfoGAN


def test_at_the_width_of_the_paper_the_layers_are_the_papers():
    plans = plan_spec(load_spec("infogan", {"width": 64}))

    shapes = {name: [node.output_shape for node in plan.nodes] for name, plan in plans.items()}
    assert plans["generator"].inputs == {"noise": (74,)}
    assert {(1024,), (7, 7, 128), (14, 14, 64), (28, 28, 1)} < set(shapes["generator"])
    assert {(14, 14, 64), (7, 7, 128), (1024,), (1,)} < set(shapes["discriminator"])
    assert {(14, 14, 64), (7, 7, 128), (1024,), (128,), (12,)} < set(shapes["recognizer"])


@pytest.mark.parametrize(
    ("settings", "units"),
    [({"image": (32, 32, 3)}, 12), ({"categories": 5}, 7), ({"categories": 0}, 2)],
)
def test_the_recognizer_returns_a_number_for_each_of_the_code(settings, units):
    spec = load_spec("infogan", settings)

    resolve_loss(spec)
    assert plan_spec(spec)["recognizer"].output_shape == (units,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent.codes": 3}, r"^recognizer/dense_2: the output of recognizer has shape \(12,\)"),
        ({"latent.categories": 0, "latent.codes": 0}, "^loss: there is no latent code to recogni"),
    ],
)
def test_a_code_that_does_not_fit_the_recognizer_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        resolve_loss(load_spec("infogan", changes))


def test_the_loss_of_the_recognizer_is_the_bound_without_constants():
    rng = np.random.default_rng(0)
    output, drawn, code = rng.normal(size=(6, 5)), np.arange(6) % 3, rng.uniform(-1, 1, (6, 2))
    inputs = {"category": np.eye(3)[drawn], "code": code}

    loss = InfoGAN().auxiliary(NumpyOps(), "recognizer", output, inputs)

    odds = np.exp(output[:, :3])
    of_category = np.log(odds.sum(1) / odds[np.arange(6), drawn])
    of_code = ((output[:, 3:] - code) ** 2).sum(1) / 2  # -log N(code; output, 1) - log(2π) / 2 each
    assert loss == pytest.approx((of_category + 0.1 * of_code).mean(), abs=1e-14)
