"""The conformance tests of single operations, tier P1: every layer, loss and optimizer.

The references were computed with NumPy in long doubles. A failure names the case, the array, the
index and both values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from gandem.core.errors import suggest
from gandem.core.training import CAPABILITIES, Backend
from gandem.core.training.updates.penalties import feature_distance
from gandem.testing.base import Conformance, name_of, tier
from gandem.testing.case_types import Case, LossCase, OptimizerCase, hashed_numbers
from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
from gandem.testing.references.files import load_reference
from gandem.testing.target import ConformanceTarget

TOLERANCE = 1e-12
"""Largest difference of an element, in units of the array's largest element or 1."""


def find_differences(
    expected: Mapping[str, np.ndarray], received: Mapping[str, Any], tolerance: float = TOLERANCE
) -> list[str]:
    """Return a message for each array that is missing, unexpected, misshapen or outside the
    tolerance.

    >>> print(*find_differences({"value": np.array([0.5, 1.0])}, {"value": np.array([0.5, 1.25])}))
    value: off by 2.5e-01 (allowed 1.0e-12) at (1,): expected 1.0, received 1.25; 1 of 2 elements.
    """
    messages = [f"{name}: missing." for name in expected if name not in received]
    messages += [f"{name}: not expected." for name in received if name not in expected]
    for name in [name for name in expected if name in received]:
        reference, value = expected[name], received[name]
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            kind = getattr(value, "dtype", type(value).__name__)
            messages.append(f"{name}: expected a float64 array, received {kind}.")
        elif value.shape != reference.shape:
            messages.append(
                f"{name}: expected the shape {reference.shape}, received {value.shape}."
            )
        else:
            allowed = tolerance * np.abs(reference).max(initial=1.0)
            errors = np.nan_to_num(np.abs(value - reference), nan=np.inf, posinf=np.inf)
            if np.any(errors > allowed):
                worst = np.unravel_index(int(np.argmax(errors)), errors.shape)
                index = tuple(int(i) for i in worst)
                messages.append(
                    f"{name}: off by {errors[worst]:.1e} (allowed {allowed:.1e}) at {index}: "
                    f"expected {float(reference[worst])!r}, received {float(value[worst])!r}; "
                    f"{np.count_nonzero(errors > allowed)} of {errors.size} elements."
                )
    return messages


def _select(arrays: Mapping[str, np.ndarray], *, second: bool) -> dict[str, np.ndarray]:
    """Return the second derivatives of a network, or everything else."""
    return {name: value for name, value in arrays.items() if name.startswith("second/") is second}


class OperationConformance(Conformance, suite=True):
    """Tests of a backend's layers, losses and optimizers."""

    tolerance: ClassVar[float] = TOLERANCE
    """A subclass may lower it, not raise it."""

    @pytest.fixture(scope="class")
    @classmethod
    def measured(cls) -> dict[str, dict[str, np.ndarray]]:
        """Keep the derivatives of each network, which two tests read."""
        return {}

    def differentiate(
        self, measured: dict[str, dict[str, np.ndarray]], target: ConformanceTarget, case: Case
    ) -> dict[str, np.ndarray]:
        """Return the output, derivatives and statistics of a case, by name."""
        if case.name not in measured:
            arrays, values = case.arrays(), case.values()
            arguments = (case.plan, arrays, values, case.cotangent(), case.draws())
            derivatives = target.differentiate(*arguments)
            self.compare(f"{case.name}: arguments", case.arrays() | case.values(), arrays | values)
            measured[case.name] = derivatives
        return measured[case.name]

    def compare(
        self, case: str, expected: Mapping[str, np.ndarray], received: Mapping[str, Any]
    ) -> None:
        """Fail with every difference, also if there is no reference."""
        messages = find_differences(expected, received, min(self.tolerance, TOLERANCE))
        if not expected:
            messages = ["no reference is stored; a new case needs: make references"]
        if messages:
            pytest.fail("\n".join(f"{case}: {line}" for line in messages), pytrace=False)

    @tier("form")
    def test_it_is_a_backend_with_versions_and_a_cpu(self, subject: Backend) -> None:
        assert isinstance(subject, Backend), "a part of gandem.core.training.Backend is missing"
        unknown = [name for name in subject.capabilities if name not in CAPABILITIES]
        assert not unknown, (
            f"no capability named {unknown[0]!r}.{suggest(unknown[0], CAPABILITIES)}"
        )
        versions = subject.versions()
        texts = [version for version in versions.values() if isinstance(version, str)]
        assert len(texts) == len(versions) > 0, f"versions: expected strings, not {versions!r}"
        assert "cpu" in subject.devices(), f"devices: no 'cpu' in {subject.devices()!r}"

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", CASES, ids=name_of)
    def test_a_network_and_its_gradients(
        self, target: ConformanceTarget, measured: dict[str, dict[str, np.ndarray]], case: Case
    ) -> None:
        received = self.differentiate(measured, target, case)

        expected = load_reference(case.name)
        self.compare(case.name, _select(expected, second=False), _select(received, second=False))

    @tier("P1", "float64", "second-order")
    @pytest.mark.parametrize("case", CASES, ids=name_of)
    def test_the_second_derivatives_of_a_network(
        self, target: ConformanceTarget, measured: dict[str, dict[str, np.ndarray]], case: Case
    ) -> None:
        received = self.differentiate(measured, target, case)

        expected = _select(load_reference(case.name), second=True)
        self.compare(case.name, expected, _select(received, second=True))

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", LOSSES, ids=name_of)
    def test_a_loss_and_its_gradient(self, target: ConformanceTarget, case: LossCase) -> None:
        arrays = {name: value.copy() for name, value in case.arrays.items()}

        value, gradients = target.gradient(case.function, arrays)

        assert isinstance(value, float)
        assert set(gradients) == set(arrays)
        self.compare(case.name, load_reference(case.name), case.name_results(value, gradients))

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", OPTIMIZERS, ids=name_of)
    def test_an_optimizer_after_each_of_12_updates(
        self, target: ConformanceTarget, case: OptimizerCase
    ) -> None:
        arrays = case.arrays()

        after = target.optimize(case.optimizer, arrays, case.gradients())

        expected = {
            f"{name} after update {t}": value
            for name, stack in load_reference(case.name).items()
            for t, value in enumerate(stack, start=1)
        }
        received = {
            f"{name} after update {t}": value
            for t, step in enumerate(after, start=1)
            for name, value in step.items()
        }
        self.compare(case.name, expected, received)
        self.compare(f"{case.name}: arguments", case.arrays(), arrays)

    @tier("P1", "float64")
    @pytest.mark.parametrize("size", [1.0, 700.0])
    def test_the_cross_entropy_of_classes(self, target: ConformanceTarget, size: float) -> None:
        logits = size * hashed_numbers("logits", (5, 3))
        weights = np.abs(hashed_numbers("weights", (5, 3)))
        weights /= weights.sum(axis=1, keepdims=True)

        value, gradient = target.gradient(
            lambda ops, logits, weights: ops.cross_entropy(logits, weights),
            {"logits": logits, "weights": weights},
        )

        exact = logits.astype(np.longdouble)
        shifted = exact - exact.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        slope = (np.exp(logs) - weights) / len(logits)
        expected = {"value": np.array(-(weights * logs).sum(axis=1).mean()), "logits": slope}
        received = {"value": np.array(value), "logits": gradient["logits"]}
        self.compare(
            "cross-entropy", {k: v.astype(np.float64) for k, v in expected.items()}, received
        )

    @tier("P1", "float64")
    def test_the_distance_of_mean_features(self, target: ConformanceTarget) -> None:
        shapes = {
            "real": (5, 3),
            "fake": (4, 3),
            "real_map": (3, 2, 2, 4),
            "fake_map": (6, 2, 2, 4),
        }
        arrays = {name: hashed_numbers(name, shape) for name, shape in shapes.items()}

        def function(ops: Any, real: Any, fake: Any, real_map: Any, fake_map: Any) -> Any:
            sides = {"one": real, "two": real_map}, {"one": fake, "two": fake_map}
            return feature_distance(ops, *sides)

        value, gradient = target.gradient(function, arrays)

        exact = {name: array.astype(np.longdouble) for name, array in arrays.items()}
        total, expected = np.longdouble(0), {}
        for first, second in (("real", "fake"), ("real_map", "fake_map")):
            between = exact[first].mean(axis=0) - exact[second].mean(axis=0)
            total += (between**2).sum()
            for name, sign in ((first, 2), (second, -2)):
                slope = sign * between / len(arrays[name])
                expected[name] = np.broadcast_to(slope, shapes[name]).astype(np.float64)
        expected["value"] = np.array(total, np.float64)
        self.compare("feature distance", expected, {"value": np.array(value), **gradient})

    @tier("P1", "float64")
    def test_the_remaining_tensor_functions(self, target: ConformanceTarget) -> None:
        first, second = hashed_numbers("first", (3, 2)), hashed_numbers("second", (2, 2))

        def function(ops: Any, first: Any, second: Any) -> Any:
            rows = ops.join(first, second)
            squares = ops.square(rows[:4]) * ops.positive(rows[:4])
            return 2.0 * ops.mean(squares) - ops.mean(ops.relu(rows[4:])) / 4.0

        value, gradient = target.gradient(function, {"first": first, "second": second})

        up = np.concatenate([first, second])
        up = np.where(up > 0, up, 0.0)
        slope = np.concatenate([up[:4] / 2, np.where(up[4:] > 0, -0.125, 0.0)])
        total = 2 * np.mean(up[:4] ** 2) - np.mean(up[4:]) / 4
        expected = {"value": np.array(total), "first": slope[:3], "second": slope[3:]}
        self.compare("rows", expected, {"value": np.array(value), **gradient})
