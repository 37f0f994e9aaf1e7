import numpy as np
import pytest

from gandem.core.errors import RunError
from gandem.core.specs import SGD, Linear
from gandem.core.training import Evaluation
from gandem.optimize.minimization import Updater, minimize
from gandem.testing.cases import OPTIMIZERS
from gandem.testing.references.files import load_reference


@pytest.mark.parametrize("case", OPTIMIZERS, ids=lambda case: case.name)
def test_updates_are_those_of_the_spec(case):
    arrays, reference = case.arrays(), load_reference(case.name)
    updater = Updater(case.optimizer, arrays, steps=12)

    for count, gradients in enumerate(case.gradients()):
        arrays = updater.update(arrays, gradients)

        for name, value in arrays.items():
            expected = reference[name][count]
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12 * abs(expected).max())


def evaluate(variables):
    """Evaluate the sum of all elements."""
    x = variables["x"]
    return Evaluation(float(x.sum()), {}, {"x": np.ones_like(x)})


def test_all_steps_are_one_epoch_of_a_schedule():
    falling = SGD(learning_rate=Linear(from_=1.0, to=0.0, end=1, unit="epochs"))

    after = minimize(evaluate, {"x": np.zeros(2)}, falling, steps=4)

    np.testing.assert_allclose(after["x"], -(1 + 0.75 + 0.5 + 0.25))


def test_variables_keep_to_their_limits():
    after = minimize(evaluate, {"x": np.zeros(2)}, SGD(learning_rate=1.0), 3, limits=(-2.0, 1.0))

    assert (after["x"] == -2.0).all()


def test_noise_changes_where_the_objective_is_evaluated_only():
    points = []

    def record(variables):
        points.append(float(variables["x"][0]))
        return evaluate(variables)

    after = minimize(
        record, {"x": np.zeros(1)}, SGD(learning_rate=1.0), 2, noise=lambda step: {"x": np.ones(1)}
    )

    assert (points, after["x"].tolist()) == ([1.0, 0.0], [-2.0])


def test_a_loss_that_is_not_finite_ends_the_optimization():
    with pytest.raises(RunError, match="The loss is nan at step 1; choose a lower learning rate"):
        minimize(evaluate, {"x": np.full(1, np.nan)}, SGD(learning_rate=1.0), 2)
