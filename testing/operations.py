"""The conformance tests of single operations, tier P1: every layer, loss and optimiser.

The stored side is NumPy in long doubles (``reference.py``, ``formulas.py``).  A failure names the
case, the array, the place and both values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from gandem.core.registry import installed, load_backend, registry
from gandem.core.training import Backend
from gandem.testing.cases import CASES, LOSSES, OPTIMISERS
from gandem.testing.forms import UPDATES, Case, LossCase, OptimiserCase, generic
from gandem.testing.stored import array_names, flatten, reference_of
from gandem.testing.walks import WALKS, Walk

__all__ = ["GATE", "OperationConformance", "differences"]

GATE = 1e-12
"""How far an element may lie from its reference, in units of the array's largest element or 1."""


def differences(
    expected: Mapping[str, np.ndarray], received: Mapping[str, Any], gate: float = GATE
) -> list[str]:
    """Return a sentence for every array that is missing, unknown, misshapen, or beyond the gate.

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
            allowed = gate * np.abs(wanted).max(initial=1.0)
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


def _name(case: Case | LossCase | OptimiserCase | Walk) -> str:
    return case.name


class OperationConformance:
    """What a backend's layers, losses and optimisers must give.

    ``excuses`` maps a case that the backend is known to miss to the reason; an excuse that is no
    longer needed fails.
    """

    backend: ClassVar[str]
    """The backend's id in the registry."""
    excuses: ClassVar[Mapping[str, str]] = {}
    gate: ClassVar[float] = GATE
    """May be made tighter, never looser."""

    @pytest.fixture
    def subject(self) -> Backend:
        """Load the backend; override it to test one that no registry knows."""
        row = registry().find("backends", self.backend)
        if not installed(row):
            pytest.skip(f"the backend {row.id!r} is not installed: {row.install}")
        return load_backend(self.backend)

    @pytest.fixture(autouse=True)
    def _excused(self, request: pytest.FixtureRequest) -> None:
        callspec = getattr(request.node, "callspec", None)
        case: Any = callspec.params.get("case") if callspec else None
        if case is not None and case.name in self.excuses:
            reason = self.excuses[case.name]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    def compare(
        self, case: str, expected: Mapping[str, np.ndarray], received: Mapping[str, Any]
    ) -> None:
        """Fail with everything that differs; expecting nothing fails too."""
        said = differences(expected, received, min(self.gate, GATE))
        if not expected:
            said = ["gandem stores no reference for it; reinstall gandem."]
        if said:
            pytest.fail("\n".join(f"{case}: {line}" for line in said), pytrace=False)

    def test_every_excuse_names_a_case_and_gives_a_reason(self) -> None:
        known = {
            *map(_name, CASES),
            *map(_name, LOSSES),
            *map(_name, OPTIMISERS),
            *map(_name, WALKS),
        }
        bare = [name for name, reason in self.excuses.items() if not reason.strip()]

        assert set(self.excuses) <= known, f"no such case: {sorted(set(self.excuses) - known)}"
        assert not bare, f"excused without a reason: {bare}"

    def test_it_is_a_backend_with_versions_and_a_cpu(self, subject: Backend) -> None:
        assert isinstance(subject, Backend)
        assert subject.versions()
        assert all(isinstance(version, str) for version in subject.versions().values())
        assert "cpu" in subject.devices()

    @pytest.mark.parametrize("case", CASES, ids=_name)
    def test_a_network_and_its_first_and_second_derivatives(
        self, subject: Backend, case: Case
    ) -> None:
        arrays, values = case.arrays(), case.values()

        derivatives = subject.differentiate(
            case.plan, arrays, values, case.cotangent(), case.masks()
        )

        expected = reference_of(case.name)
        assert list(expected) == array_names(case.plan)
        self.compare(case.name, expected, flatten(derivatives))
        self.compare(f"{case.name}: given", case.arrays() | case.values(), arrays | values)

    @pytest.mark.parametrize("case", LOSSES, ids=_name)
    def test_a_loss_and_its_gradient(self, subject: Backend, case: LossCase) -> None:
        value, gradient = subject.gradient(case.function, {"logits": case.logits.copy()})

        assert isinstance(value, float)
        assert list(gradient) == ["logits"]
        received = {"value": np.array(value), "gradient": gradient["logits"]}
        self.compare(case.name, reference_of(case.name), received)

    @pytest.mark.parametrize("case", OPTIMISERS, ids=_name)
    def test_an_optimiser_after_each_of_12_updates(
        self, subject: Backend, case: OptimiserCase
    ) -> None:
        arrays = case.arrays()

        after = subject.optimise(case.optimiser, arrays, case.gradients())

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
