"""The loss has the values of its formula, and trains."""

import gandem
import numpy as np
import pytest
from gandem.core.specs import Loss
from gandem.core.training import NumpyOps, installed_backends, load_loss

LOSS = "my-plugin/example"
SMALL = {"loss.name": LOSS, "latent": 8, "width": 4, "batch_size": 16}


def test_discriminator_that_guesses_has_a_loss_of_2_log_2():
    loss, guesses = load_loss(Loss(name=LOSS)), np.zeros((4, 1))

    total = loss.real(NumpyOps(), guesses, 1.0) + loss.fake(NumpyOps(), guesses)

    assert total == pytest.approx(2 * np.log(2))


def test_generator_has_no_loss_where_its_logits_are_1():
    assert load_loss(Loss(name=LOSS)).generator(NumpyOps(), np.ones((4, 1))) == 0


def test_model_trains_with_the_loss(tmp_path):
    backend = installed_backends()[0]

    run = gandem.train(
        "dcgan", backend=backend, data="digits", steps=2, changes=SMALL, out=tmp_path / "run"
    )

    assert run.spec.loss.name == LOSS
