import numpy as np
import pytest

from gandem.core.errors import RunError
from gandem.core.specs import SGD, Linear
from gandem.core.training import Evaluation
from gandem.optimize.lbfgs import Lbfgs, LbfgsUpdater
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


def test_lbfgs_is_that_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    factor, linear = rng.normal(size=(6, 6)), rng.normal(size=6)
    matrix = factor @ factor.T / 6 + np.eye(6)
    expected = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    oracle = torch.optim.LBFGS([expected], lr=0.7, max_iter=1, history_size=3)

    def evaluate_oracle():
        oracle.zero_grad()
        quadratic = 0.5 * expected @ torch.tensor(matrix) @ expected
        value = quadratic - expected @ torch.tensor(linear) + 0.1 * (expected**4).sum()
        value.backward()
        return value

    updater = LbfgsUpdater(Lbfgs(learning_rate=0.7, history=3))
    variables = {"x": np.zeros((2, 2)), "y": np.zeros(2)}
    for _ in range(8):
        x = np.concatenate([variables["x"].ravel(), variables["y"]])
        gradient = matrix @ x - linear + 0.4 * x**3
        gradients = {"y": gradient[4:], "x": gradient[:4].reshape(2, 2)}
        variables = updater.update(variables, gradients)
        oracle.step(evaluate_oracle)

        received = np.concatenate([variables["x"].ravel(), variables["y"]])
        np.testing.assert_allclose(received, expected.detach().numpy(), rtol=0, atol=1e-13)


def test_lbfgs_finds_the_minimum_of_a_quadratic_function():
    scales = np.array([1.0, 10.0, 100.0])

    def evaluate(variables):
        x = variables["x"] - 0.5
        return Evaluation(float(scales @ x**2), {}, {"x": 2 * scales * x})

    after = minimize(evaluate, {"x": np.zeros(3)}, Lbfgs(), steps=25)

    np.testing.assert_allclose(after["x"], 0.5, rtol=0, atol=1e-6)


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
