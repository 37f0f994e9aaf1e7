"""The conformance suite: a backend against stored arrays, from single operations to whole runs.

To the operations (tier P1) it adds P2, one step from a given state; P3, small GANs over many steps;
and P5, a state that leaves an engine and comes back.  The stored side of these was made by PyTorch,
and Keras agrees with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from gandem.core.rng import fingerprint
from gandem.core.specs import plan_spec
from gandem.core.training import (
    Backend,
    Engine,
    initial_state,
    load_loss,
    state_shapes,
    weights,
)
from gandem.testing.base import names_of_tests, unknown_failures
from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
from gandem.testing.forms import Case, LossCase, OptimizerCase
from gandem.testing.operations import OperationConformance, differences
from gandem.testing.stored import step_reference, steps
from gandem.testing.tiers import tier
from gandem.testing.walks import (
    SEED,
    STARTS,
    WALKS,
    Walk,
    begin,
    digest_of,
    outcome,
    path,
    step_once,
    walk,
)

__all__ = ["BackendConformance", "differences"]


def _name(case: Case | LossCase | OptimizerCase | Walk) -> str:
    return case.name


def _changed(kept: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of arrays whose bytes are not those that were kept."""
    return [name for name in kept if name not in arrays or arrays[name].tobytes() != kept[name]]


class BackendConformance(OperationConformance, suite=True):
    """Subclass it, name the backend, and pytest does the rest."""

    @tier("form")
    def test_every_known_failure_names_a_test_and_gives_a_reason(self, subject: Backend) -> None:
        cases = [*map(_name, CASES), *map(_name, LOSSES), *map(_name, OPTIMIZERS)]
        known = subject.known_failures
        tests = names_of_tests(BackendConformance)
        said = unknown_failures(known, tests, [*cases, *map(_name, WALKS)])
        said += [
            f"known_failures: {k!r} has no reason." for k, why in known.items() if not why.strip()
        ]

        assert not said, " ".join(said)

    @tier("form")
    def test_the_random_streams_are_those_of_the_references(self) -> None:
        assert str(steps()["streams"]) == fingerprint(), (
            f"NumPy {np.__version__} draws other numbers than the references were made with; "
            "the tests of whole steps cannot hold."
        )

    @pytest.fixture(scope="class")
    @classmethod
    def engines(cls) -> dict[tuple[str, str], Engine]:
        """Keep the engines of one walk, by its name and the precision: see :meth:`at_start`."""
        return {}

    def at_start(
        self,
        engines: dict[tuple[str, str], Engine],
        subject: Backend,
        case: Walk,
        precision: str = "float64",
    ) -> Engine:
        """Return the engine of a walk, at its first step.

        Most backends compile a step first, so the tests of a walk share it: the plugin sorts them
        next to one another.
        """
        if "resume" not in subject.capabilities:
            return begin(case, subject, precision)
        key = (case.name, precision)
        if key not in engines:
            for other in [other for other in engines if other[0] != case.name]:
                del engines[other]
            engines[key] = begin(case, subject, precision)
        engines[key].load(initial_state(case.spec, SEED, precision))
        return engines[key]

    @tier("P3", "float64")
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_a_small_gan_takes_the_same_path(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk
    ) -> None:
        engine, at, losses = self.at_start(engines, subject, case), 0, []
        for mark in case.marks:
            losses += walk(engine, case.feed(), mark, at)
            at = mark
            made = outcome(case, engine)
            expected = step_reference(case.name, f"after {mark}", made)
            self.compare(f"{case.name} after {mark} steps", expected, made)
        taken = path(losses)
        self.compare(f"{case.name}: losses", step_reference(case.name, "losses", taken), taken)

    @tier("P2", "float64", "resume")
    @pytest.mark.parametrize("start", STARTS)
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_one_step_from_a_given_state(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk, start: int
    ) -> None:
        engine = self.at_start(engines, subject, case)

        made = digest_of(step_once(case, engine, start))

        expected = step_reference(case.name, f"one step from {start}", made)
        self.compare(f"{case.name}, one step from {start}", expected, made)

    @tier("P2", "resume")
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_one_step_in_single_precision(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk
    ) -> None:
        engine = self.at_start(engines, subject, case, "float32")

        made = step_once(case, engine, 7, "float32")

        self.compare_singles(case, made)

    @tier("P2", "gpu", "resume")
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_one_step_on_a_gpu(self, subject: Backend, case: Walk) -> None:
        device = next((name for name in subject.devices() if name != "cpu"), None)
        if device is None:
            pytest.skip("there is no GPU on this machine")
        engine = begin(case, subject, "float32", device)

        self.compare_singles(case, step_once(case, engine, 7, "float32"))

    def compare_singles(self, case: Walk, made: Mapping[str, np.ndarray]) -> None:
        """Compare the weights and running statistics after a step in single precision with the
        stored ones, in double.
        """
        plans = plan_spec(case.spec).values()
        names = [p.name for plan in plans for p in (*plan.parameters(), *plan.statistics())]
        digested = digest_of(made)
        stored = step_reference(case.name, "one step from 7", digested)
        double = [name for name in names if made[name].dtype != np.float32]
        assert not double, f"no float32: {', '.join(double)}"
        apart = np.concatenate([np.abs(digested[name] - stored[name]) for name in names])
        share = float((apart <= 2e-5).mean())
        assert apart.max() <= 2e-4, f"a weight is off by {apart.max():.1e} (allowed 2e-4)"
        assert share >= 0.999, f"{share:.2%} of the weights are within 2e-5 (wanted 99.9 %)"

    @tier("P5", "resume")
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_a_state_carried_over_continues_bit_for_bit(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk
    ) -> None:
        double = "float64" in subject.capabilities and not WALKS.index(case) % 2
        precision = "float64" if double else "float32"
        feed, straight = case.feed(precision), self.at_start(engines, subject, case, precision)
        walk(straight, feed, 2)
        state = straight.export()
        kept = {name: value.tobytes() for name, value in state.items()}
        resumed = subject.engine(
            case.spec, load_loss(case.spec.loss), state, precision=precision, device="cpu"
        )
        again = resumed.export()

        ends = [walk(engine, feed, 4, start=2) for engine in (straight, resumed)]

        assert list(state) == list(state_shapes(case.spec)), "names, or their order"
        assert _changed(kept, again) == [], "what came back is not what was loaded"
        assert _changed(kept, state) == [], "export gave no copy: later steps changed it"
        assert all(value.flags.c_contiguous for value in state.values()), "not contiguous"
        assert ends[0] == ends[1], "the losses after the load"
        left = {name: value.tobytes() for name, value in straight.export().items()}
        assert _changed(left, resumed.export()) == [], "the state after two more steps"

    @tier("P2", "float64")
    @pytest.mark.parametrize("idle", ["generator", "discriminator"])
    def test_a_players_update_leaves_the_other_untouched(self, subject: Backend, idle: str) -> None:
        case = replace(WALKS[3], changes={f"{idle}.optimizer.learning_rate": 0.0})
        engine = begin(case, subject)
        before = weights(case.spec, engine.export())

        walk(engine, case.feed(), 2)

        after = weights(case.spec, engine.export())
        moved = {name for name in after if (after[name] != before[name]).any()}
        expected = {name for name in after if not name.startswith(f"{idle}/")}
        assert moved == expected, f"moved or not: {sorted(moved ^ expected)}"

    @tier("P5", "float64", "resume")
    def test_loading_a_state_leaves_nothing_of_the_old_one(self, subject: Backend) -> None:
        case = WALKS[3]
        engine, fresh = begin(case, subject), begin(case, subject)
        walk(engine, case.feed(), 2)

        made = [step_once(case, each, 7) for each in (engine, fresh)]

        left = {name: value.tobytes() for name, value in made[0].items()}
        assert _changed(left, made[1]) == [], "the step remembers what was before the load"


class TestBackend(BackendConformance):
    """The suite as it is: ``pytest --pyargs gandem.testing.suite --gandem-backend acme/jax``."""
