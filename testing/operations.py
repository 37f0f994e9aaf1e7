"""The conformance tests of single operations, tier P1: every layer, loss and optimizer.

The stored side is NumPy in long doubles (``reference.py``, ``formulas.py``).  A failure names the
case, the array, the place and both values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from gandem.core.training import Backend, find_unknown_capabilities
from gandem.testing.base import Conformance
from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
from gandem.testing.forms import UPDATES, Case, LossCase, OptimizerCase, generic
from gandem.testing.stored import array_names, flatten, reference_of
from gandem.testing.tiers import tier

__all__ = ["GATE", "OperationConformance", "differences"]

GATE = 1e-12
"""How far an element may lie from its reference, in units of the array's largest element or 1."""


def differences(
    expected: Mapping[str, np.ndarray], received: Mapping[str, Any], tolerance: float = GATE
) -> list[str]:
    """Return a line for every array that is missing, unknown, misshapen or beyond the tolerance.

    >>> print(*differences({"value": np.array([0.5, 1.0])}, {"value": np.array([0.5, 1.25])}))
    value: off by 2.5e-01 (allowed 1.0e-12) at (1,): expected 1.0, received 1.25; 1 of 2 elements.
    """
    said = [f"{name}: missing." for name in expected if name not in received]
    said += [f"{name}: nobody asked for it." for name in received if name not in expected]
    for name in [name for name in expected if name in received]:
        wanted, came = expected[name], received[name]
        if not isinstance(came, np.ndarray) or came.dtype != np.float64:
            what = getattr(came, "dtype", type(came).__name__)
            said.append(f"{name}: expected a float64 array, received {what}.")
        elif came.shape != wanted.shape:
            said.append(f"{name}: expected the shape {wanted.shape}, received {came.shape}.")
        else:
            allowed = tolerance * np.abs(wanted).max(initial=1.0)
            gap = np.nan_to_num(np.abs(came - wanted), nan=np.inf, posinf=np.inf)
            if np.any(gap > allowed):
                worst = np.unravel_index(int(np.argmax(gap)), gap.shape)
                place = tuple(int(i) for i in worst)
                said.append(
                    f"{name}: off by {gap[worst]:.1e} (allowed {allowed:.1e}) at {place}: expected "
                    f"{float(wanted[worst])!r}, received {float(came[worst])!r}; "
                    f"{np.count_nonzero(gap > allowed)} of {gap.size} elements."
                )
    return said


def _name(case: Case | LossCase | OptimizerCase) -> str:
    return case.name


def _order(arrays: Mapping[str, np.ndarray], *, second: bool) -> dict[str, np.ndarray]:
    """Return the second derivatives among what a network gave, or the rest."""
    return {name: value for name, value in arrays.items() if name.startswith("second/") is second}


class OperationConformance(Conformance, suite=True):
    """What a backend's layers, losses and optimizers must give."""

    tolerance: ClassVar[float] = GATE
    """May be made tighter, never looser."""

    @pytest.fixture(scope="class")
    @classmethod
    def measured(cls) -> dict[str, dict[str, np.ndarray]]:
        """Keep what a network gave: both tests of its derivatives read it."""
        return {}

    def derivatives(
        self, measured: dict[str, dict[str, np.ndarray]], subject: Backend, case: Case
    ) -> dict[str, np.ndarray]:
        """Return the output, derivatives and statistics of a case, by name."""
        if case.name not in measured:
            arrays, values = case.arrays(), case.values()
            given = (case.plan, arrays, values, case.cotangent(), case.masks())
            found = flatten(subject.differentiate(*given))
            self.compare(f"{case.name}: given", case.arrays() | case.values(), arrays | values)
            measured[case.name] = found
        return measured[case.name]

    def compare(
        self, case: str, expected: Mapping[str, np.ndarray], received: Mapping[str, Any]
    ) -> None:
        """Fail with everything that differs; expecting nothing fails too."""
        said = differences(expected, received, min(self.tolerance, GATE))
        if not expected:
            said = ["gandem stores no reference for it; reinstall gandem."]
        if said:
            pytest.fail("\n".join(f"{case}: {line}" for line in said), pytrace=False)

    @tier("form")
    def test_it_is_a_backend_with_versions_and_a_cpu(self, subject: Backend) -> None:
        assert isinstance(subject, Backend), "a part of gandem.core.training.Backend is missing"
        unknown = find_unknown_capabilities(subject)
        assert not unknown, " ".join(unknown)
        versions = subject.versions()
        texts = [version for version in versions.values() if isinstance(version, str)]
        assert len(texts) == len(versions) > 0, f"versions: texts by package, not {versions!r}"
        assert "cpu" in subject.devices(), f"devices: no 'cpu' in {subject.devices()!r}"

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", CASES, ids=_name)
    def test_a_network_and_its_gradients(
        self, subject: Backend, measured: dict[str, dict[str, np.ndarray]], case: Case
    ) -> None:
        expected = reference_of(case.name)
        assert list(expected) == array_names(case.plan)

        received = self.derivatives(measured, subject, case)

        self.compare(case.name, _order(expected, second=False), _order(received, second=False))

    @tier("P1", "float64", "second-order")
    @pytest.mark.parametrize("case", CASES, ids=_name)
    def test_the_second_derivatives_of_a_network(
        self, subject: Backend, measured: dict[str, dict[str, np.ndarray]], case: Case
    ) -> None:
        received = self.derivatives(measured, subject, case)

        expected = _order(reference_of(case.name), second=True)
        self.compare(case.name, expected, _order(received, second=True))

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", LOSSES, ids=_name)
    def test_a_loss_and_its_gradient(self, subject: Backend, case: LossCase) -> None:
        value, gradient = subject.gradient(case.function, {"logits": case.logits.copy()})

        assert isinstance(value, float)
        assert list(gradient) == ["logits"]
        received = {"value": np.array(value), "gradient": gradient["logits"]}
        self.compare(case.name, reference_of(case.name), received)

    @tier("P1", "float64")
    @pytest.mark.parametrize("case", OPTIMIZERS, ids=_name)
    def test_an_optimizer_after_each_of_12_updates(
        self, subject: Backend, case: OptimizerCase
    ) -> None:
        arrays = case.arrays()

        after = subject.optimize(case.optimizer, arrays, case.gradients())

        stored = reference_of(case.name)
        expected = {
            f"{name} after update {t}": value
            for name, stack in stored.items()
            for t, value in enumerate(stack, start=1)
        }
        received = {
            f"{name} after update {t}": value
            for t, step in enumerate(after, start=1)
            for name, value in step.items()
        }
        assert list(stored) == list(arrays)
        assert len(expected) == UPDATES * len(arrays)
        self.compare(case.name, expected, received)
        self.compare(f"{case.name}: given", case.arrays(), arrays)

    @tier("P1", "float64")
    @pytest.mark.parametrize("size", [1.0, 700.0])
    def test_the_cross_entropy_of_classes(self, subject: Backend, size: float) -> None:
        logits, weights = size * generic("logits", (5, 3)), np.abs(generic("weights", (5, 3)))
        weights /= weights.sum(axis=1, keepdims=True)

        value, gradient = subject.gradient(
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
    def test_rows_are_joined_cut_and_judged(self, subject: Backend) -> None:
        first, second = generic("first", (3, 2)), generic("second", (2, 2))

        def function(ops: Any, first: Any, second: Any) -> Any:
            rows = ops.join(first, second)
            gained = ops.square(rows[:4]) * ops.positive(rows[:4])
            return 2.0 * ops.mean(gained) - ops.mean(ops.relu(rows[4:])) / 4.0

        value, gradient = subject.gradient(function, {"first": first, "second": second})

        up = np.concatenate([first, second])
        up = np.where(up > 0, up, 0.0)
        slope = np.concatenate([up[:4] / 2, np.where(up[4:] > 0, -0.125, 0.0)])
        total = 2 * np.mean(up[:4] ** 2) - np.mean(up[4:]) / 4
        expected = {"value": np.array(total), "first": slope[:3], "second": slope[3:]}
        self.compare("rows", expected, {"value": np.array(value), **gradient})
