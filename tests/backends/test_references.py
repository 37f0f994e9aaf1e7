"""The stored references: whole, reproducible, right by another method, able to catch faults."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from gandem.core.plugins.entry import entries
from gandem.core.specs import Conv2DTranspose, Loss, interpolation, plan_spec
from gandem.core.specs.layers import LAYERS
from gandem.core.specs.optimizers import OPTIMIZERS as OPTIMIZER_KINDS
from gandem.core.training import is_paired, load_loss
from gandem.testing import (
    CASES,
    LOSSES,
    OPTIMIZERS,
    OperationConformance,
    find_differences,
    load_reference,
)
from gandem.testing.case_types import hashed_numbers
from gandem.testing.references import formulas, make, networks
from gandem.testing.references.dual_numbers import Dual
from gandem.testing.references.files import load_operations
from gandem.testing.references.layers import affine, norms, resampling
from gandem.testing.target import list_array_names
from gandem.testing.trajectories import TRAJECTORIES


class NumpyOps:
    """Core's tensor functions on complex numbers, so that a complex step gives gradients."""

    def mean(self, x):
        return np.mean(x)

    def square(self, x):
        return x * x

    def relu(self, x):
        return np.where(x.real > 0, x, 0)

    def softplus(self, x):
        return np.where(x.real > 0, x, 0) + np.log1p(np.exp(np.where(x.real > 0, -x, x)))

    def cross_entropy(self, logits, weights):
        shifted = logits - logits.real.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return -(weights * logs).sum(axis=1).mean()

    def positive(self, x):
        return (x.real > 0).astype(float)

    def join(self, first, second):
        return np.concatenate([first, second])

    def batch_mean(self, x):
        return x.mean(axis=0, keepdims=True)

    def sum_rows(self, x):
        return x.reshape(len(x), -1).sum(axis=1)


class NumpyBackend:
    capabilities = ("conditional", "spectral-norm", "second-order", "float64")

    def versions(self):
        return {"numpy": np.__version__}

    def devices(self):
        return ["cpu"]

    def engine(self, spec, arrays, *, precision, device):
        raise NotImplementedError


class NumpyTarget:
    """The reference in float64; its losses are core's own code."""

    known_failures: ClassVar = {}

    def differentiate(self, plan, arrays, inputs, cotangent, draws):
        return networks.differentiate(plan, arrays, inputs, cotangent, draws)

    def gradient(self, function, arrays):
        def step(name, index):
            moved = {key: value.astype(complex) for key, value in arrays.items()}
            moved[name][index] += 1e-30j
            return function(NumpyOps(), **moved).imag / 1e-30

        gradients = {
            name: np.array([step(name, i) for i in np.ndindex(value.shape)]).reshape(value.shape)
            for name, value in arrays.items()
        }
        plain = {key: value.astype(complex) for key, value in arrays.items()}
        return float(function(NumpyOps(), **plain).real), gradients

    def optimize(self, optimizer, arrays, gradients):
        return formulas.optimize(optimizer, arrays, gradients)


class TestTheReferenceInDoubles(OperationConformance):
    """Every stored array again, in doubles, by core's losses, 100 times within the tolerance."""

    tolerance = 1e-14

    @pytest.fixture
    def subject(self):
        return NumpyBackend()

    @pytest.fixture
    def target(self):
        return NumpyTarget()


# --- the cases are whole -------------------------------------------------------------------------


def test_every_layer_is_trained_in_a_trajectory():
    plans = [plan for case in TRAJECTORIES for plan in plan_spec(case.spec).values()]

    assert {node.layer.kind for plan in plans for node in plan.walk()} == set(LAYERS)


def test_every_layer_optimizer_and_loss_has_a_case():
    layers = {node.layer.kind for case in CASES for node in case.plan.walk()}
    parts = {(type(case.loss).__name__, case.role) for case in LOSSES}
    expected = set()
    for entry in entries("gandem")["losses"]:
        loss = load_loss(Loss(name=entry.id))
        roles = ("pair", "pair_generator") if is_paired(loss) else ("real", "fake", "generator")
        expected |= {(type(loss).__name__, role) for role in roles}

    assert layers == set(LAYERS)
    assert {case.optimizer.kind for case in OPTIMIZERS} == set(OPTIMIZER_KINDS)
    assert parts == expected


def test_the_file_holds_exactly_the_arrays_of_the_cases():
    wanted = [f"{case.name}: {name}" for case in CASES for name in list_array_names(case.plan)]
    wanted += [
        f"{case.name}: {name}" for case in LOSSES for name in case.name_results(0, case.arrays)
    ]
    wanted += [f"{case.name}: {name}" for case in OPTIMIZERS for name in case.arrays()]

    assert max(Counter(wanted).values()) == 1
    assert sorted(load_operations()) == sorted(wanted)
    assert all(np.isfinite(array).all() for array in load_operations().values())
    assert all(array.dtype == np.float64 for array in load_operations().values())


def test_the_table_of_the_references_is_that_of_the_files():
    path = make.FOLDER / make.TABLE

    assert path.read_text() == make.format_table(), "write it anew: make references"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_input_and_parameter_of_a_case_changes_the_output(case):
    arrays = load_reference(case.name)

    assert all(np.abs(arrays[k]).max() > 1e-3 for k in arrays if k.startswith(("value", "first/")))


def test_second_derivatives_of_nonlinear_networks_are_not_zero():
    linear = {"relu", "leaky_relu", "dropout", "flatten", "reshape", "upsample2d", "max_pool2d",
              "average_pool2d", "global_max_pool2d", "global_average_pool2d",
              "global_sum_pool2d", "pixel_noise"}  # fmt: skip
    for case in CASES:
        kinds = {node.layer.kind for node in case.plan.walk()}
        seconds = [v for k, v in load_reference(case.name).items() if k.startswith("second/")]
        assert kinds <= linear or max(np.abs(second).max() for second in seconds) > 1e-3, case.name


def test_hashed_numbers_lie_in_the_unit_interval_and_are_distinct():
    numbers = hashed_numbers("any", (5000,))

    assert np.abs(numbers).max() < 1
    assert np.count_nonzero(numbers) == len(np.unique(numbers)) == 5000
    assert np.array_equal(numbers * 2.0**32 % 2, np.ones(5000))


# --- the reference is right ----------------------------------------------------------------------

KINKS = (" at 0", " ties", "relu wide")
SPECTRAL = [case for case in CASES if case.name.startswith("spectral norm")]
SMOOTH = [case for case in CASES if not case.name.endswith(KINKS) and case not in SPECTRAL]
SAMPLE = [case for i, case in enumerate(SMOOTH) if i % 6 == 0 or case.name.startswith("chain")]


def value_and_penalty(case, plan, arrays, inputs):
    """Return Σ cotangent·output, and half the square of its slope by the inputs."""
    given = (plan, arrays, inputs, case.cotangent(), case.draws())
    value, slopes = networks.differentiate_inputs(*given)
    penalty = sum(np.sum(slope**2) / 2 for slope in slopes.values())
    return np.array([np.sum(case.cotangent() * value), penalty])


@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
def test_derivatives_of_both_orders_agree_with_central_differences(case):
    delta = 1e-5
    given = {**case.arrays(), **case.values()}
    stored = load_reference(case.name)

    def measure(name, move):
        moved = {**given, name: given[name] + move}
        inputs = {key: moved.pop(key) for key in case.inputs}
        return value_and_penalty(case, case.plan, moved, inputs)

    for name in [k.removeprefix("first/") for k in stored if k.startswith("first/")]:
        way = hashed_numbers(f"way {name}", given[name].shape)
        slope = (measure(name, delta * way) - measure(name, -delta * way)) / (2 * delta)
        expected = [np.sum(stored[f"{order}/{name}"] * way) for order in ("first", "second")]
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-6)


def without_spectral_norm(layer):
    inner = {name: tuple(map(without_spectral_norm, v)) for name, v in layer.branches.items()}
    layer = replace(layer, **inner)
    return replace(layer, spectral_norm=False) if hasattr(layer, "spectral_norm") else layer


@pytest.mark.parametrize("case", SPECTRAL, ids=lambda case: case.name)
def test_spectral_norm_equals_a_division_by_hand_with_constant_vectors(case):
    """A plain network with the kernels W/(uᵀWv), differentiated by W with central differences."""
    delta = 1e-5
    given, stored = {**case.arrays(), **case.values()}, load_reference(case.name)
    plain = replace(case, layers=tuple(map(without_spectral_norm, case.layers))).plan
    normed = [
        node for node in case.plan.walk() if any("_vector" in p.name for p in node.statistics)
    ]

    def measure(name, move):
        moved = {**given, name: given[name] + move}
        inputs = {key: moved.pop(key) for key in case.inputs}
        for node in normed:
            u, v = (stored[f"statistics/{node.path}/{side}_vector"] for side in ("left", "right"))
            kernel = moved[f"{node.path}/kernel"]
            order = "hwoi" if isinstance(node.layer, Conv2DTranspose) else "hwio"[4 - kernel.ndim :]
            columns = order.replace("o", "")
            v = v.reshape([kernel.shape[order.index(axis)] for axis in columns])
            sigma = np.einsum(f"{order},o,{columns}", kernel, u, v)
            moved[f"{node.path}/kernel"] = kernel / sigma
        return value_and_penalty(case, plain, moved, inputs)

    for name in [k.removeprefix("first/") for k in stored if k.startswith("first/")]:
        way = hashed_numbers(f"way {name}", given[name].shape)
        slope = (measure(name, delta * way) - measure(name, -delta * way)) / (2 * delta)
        expected = [np.sum(stored[f"{order}/{name}"] * way) for order in ("first", "second")]
        assert slope == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_the_reference_interpolates_as_cores_matrices_do(n, factor):
    line = hashed_numbers("line", (n,))

    assert resampling._stretch(line, factor, 0) == pytest.approx(interpolation(n, factor) @ line)


# --- the suite catches what it is for ------------------------------------------------------------


def find(name):
    return next(case for case in (*CASES, *LOSSES, *OPTIMIZERS) if case.name == name)


def measure(case):
    given = (case.arrays(), case.values(), case.cotangent(), case.draws())
    return networks.differentiate(case.plan, *given)


@pytest.mark.parametrize("norm", ["batch_norm", "layer_norm", "group_norm", "instance_norm"])
def test_a_variance_that_stops_the_gradient_at_the_mean_fails_in_second_order_alone(
    norm, monkeypatch
):
    def moments_of_tensorflow(x, axes, epsilon):
        mean = x.linear(lambda t: t.mean(axes, keepdims=True))
        still = Dual(mean.a.real + 0j, 0 * mean.b)
        variance = ((x - still) * (x - still)).linear(lambda t: t.mean(axes, keepdims=True))
        scale = variance.elementwise(
            lambda v: (v + epsilon) ** -0.5, lambda v: -((v + epsilon) ** -1.5) / 2
        )
        return (x - mean) * scale, mean, variance

    monkeypatch.setattr(norms, "normalize", moments_of_tensorflow)
    said = find_differences(load_reference(f"chain {norm}"), measure(find(f"chain {norm}")))

    assert said
    assert all(line.startswith("second/") for line in said)


def test_a_spectral_norm_that_leaves_its_divisor_out_of_the_gradient_fails(monkeypatch):
    case, right = find("spectral norm conv2d k4 s2"), affine.kernel_of

    def constant_divisor(layer, node, network):
        kernel, normed = network.parameter(node, "kernel"), right(layer, node, network)
        share = (normed.a.real / kernel.a.real).ravel()[0]
        return kernel.linear(lambda t: t * share)

    monkeypatch.setattr(affine, "kernel_of", constant_divisor)
    said = find_differences(load_reference(case.name), measure(case))

    assert [line.partition(":")[0] for line in said] == [
        "first/network/conv2d/kernel",
        "second/network/conv2d/kernel",
    ]


def test_a_transposed_convolution_shifted_by_one_pixel_fails():
    case = find("conv2d_transpose k3 s2 same")
    shifted = Conv2DTranspose(filters=3, kernel=3, stride=2, padding=((1, 0), (1, 0)))

    said = find_differences(load_reference(case.name), measure(replace(case, layers=(shifted,))))

    assert [line.partition(":")[0] for line in said] == [
        "value",
        "first/image",
        "first/network/conv2d_transpose/kernel",
        "second/network/conv2d_transpose/kernel",
    ]


def test_a_softplus_that_returns_its_input_above_20_fails():
    class Shortcut(NumpyOps):
        def softplus(self, x):
            return np.where(x.real > 20, x, super().softplus(x))

    case = find("NonSaturating around 20 fake")
    value = case.function(Shortcut(), logits=case.arrays["logits"].astype(complex)).real

    said = find_differences(load_reference(case.name), {"value": np.array(value)})

    assert said[1].startswith("value: off by 1.")


def test_an_adam_that_adds_epsilon_to_the_uncorrected_root_fails():
    case = find("adam")
    p, m, v = case.arrays()["player/kernel"], 0.0, 0.0
    after = []
    for t, gradient in enumerate(case.gradients(), start=1):
        g = gradient["player/kernel"]
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        rate = 1e-3 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p = p - rate * m / (np.sqrt(v) + 1e-8)
        after.append(p)
    stored = {"player/kernel": load_reference("adam")["player/kernel"]}

    (said,) = find_differences(stored, {"player/kernel": np.stack(after)})

    assert float(said.split()[3]) > 1e-4


@pytest.mark.parametrize(
    ("received", "said"),
    [
        ({}, "value: missing."),
        ({"value": np.ones(2), "more": np.ones(2)}, "more: not expected."),
        ({"value": np.ones(2, np.float32)}, "value: expected a float64 array, received float32."),
        ({"value": [1.0, 1.0]}, "value: expected a float64 array, received list."),
        ({"value": np.ones(3)}, "value: expected the shape (2,), received (3,)."),
        ({"value": np.array([1.0, np.nan])}, "value: off by inf (allowed 1.0e-12) at (1,): "
         "expected 1.0, received nan; 1 of 2 elements."),
        ({"value": np.array([1.5, 1.25])}, "value: off by 5.0e-01 (allowed 1.0e-12) at (0,): "
         "expected 1.0, received 1.5; 2 of 2 elements."),
    ],
)  # fmt: skip
def test_a_difference_has_a_message(received, said):
    assert find_differences({"value": np.ones(2)}, received) == [said]


def test_a_subclass_cannot_raise_the_tolerance():
    class Lenient(OperationConformance):
        tolerance = 0.5

    with pytest.raises(pytest.fail.Exception, match=r"off by 1.0e-01 .allowed 1.0e-12"):
        Lenient().compare("wide", {"value": np.ones(1)}, {"value": np.full(1, 1.1)})


def test_only_the_suite_needs_pytest():
    code = (
        "import sys, json; from gandem.testing import CASES, load_reference;"
        "load_reference('dense');"
        "print(json.dumps(sorted({'pytest', 'torch', 'tensorflow', 'keras'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == []
