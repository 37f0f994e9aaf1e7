"""The conformance suite: a backend against stored arrays, from single operations to whole runs.

To the operations (tier P1) it adds P2, one step from a given state; P3, small GANs over many steps;
and P5, a state that leaves an engine and comes back.  The stored side of these was made by PyTorch,
and Keras agrees with it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gandem.core.randomness import fingerprint
from gandem.core.spec import plan_spec
from gandem.core.training import Backend, Engine, initial_state, state_shapes, weights
from gandem.testing.operations import OperationConformance, differences
from gandem.testing.stored import step_reference, steps
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


def _name(case: Walk) -> str:
    return case.name


class BackendConformance(OperationConformance):
    """Subclass it, name the backend, and pytest does the rest.

    ``excuses`` maps a case that the backend is known to miss to the reason; an excuse that is no
    longer needed fails.
    """

    def test_the_random_streams_are_those_of_the_references(self) -> None:
        assert str(steps()["streams"]) == fingerprint(), (
            f"NumPy {np.__version__} draws other numbers than the references were made with; "
            "the tests of whole steps cannot hold."
        )

    @pytest.fixture(scope="class")
    @classmethod
    def engines(cls) -> dict[tuple[str, str], Engine]:
        """Keep one engine for each walk and precision: most backends compile a step first."""
        return {}

    def at_start(
        self,
        engines: dict[tuple[str, str], Engine],
        subject: Backend,
        case: Walk,
        precision: str = "float64",
    ) -> Engine:
        """Return the engine of a walk, at its first step."""
        if (case.name, precision) not in engines:
            engines[case.name, precision] = begin(case, subject, precision)
        engine = engines[case.name, precision]
        engine.load(initial_state(case.spec, SEED, precision))
        return engine

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

    @pytest.mark.parametrize("start", STARTS)
    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_one_step_from_a_given_state(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk, start: int
    ) -> None:
        engine = self.at_start(engines, subject, case)

        made = digest_of(step_once(case, engine, start))

        expected = step_reference(case.name, f"one step from {start}", made)
        self.compare(f"{case.name}, one step from {start}", expected, made)

    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_one_step_in_single_precision(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk
    ) -> None:
        engine = self.at_start(engines, subject, case, "float32")

        made = step_once(case, engine, 7, "float32")

        names = [p.name for plan in plan_spec(case.spec).values() for p in plan.parameters()]
        digested = digest_of(made)
        stored = step_reference(case.name, "one step from 7", digested)
        assert all(made[name].dtype == np.float32 for name in names)
        apart = np.concatenate([np.abs(digested[name] - stored[name]) for name in names])
        assert apart.max() <= 2e-4
        assert (apart <= 2e-5).mean() >= 0.999

    @pytest.mark.parametrize("case", WALKS, ids=_name)
    def test_a_state_carried_over_continues_bit_for_bit(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Walk
    ) -> None:
        precision = "float32" if WALKS.index(case) % 2 else "float64"
        feed, straight = case.feed(precision), self.at_start(engines, subject, case, precision)
        walk(straight, feed, 2)
        state = straight.export()
        kept = {name: value.tobytes() for name, value in state.items()}
        resumed = subject.engine(case.spec, state, precision=precision, device="cpu")
        again = resumed.export()

        ends = [walk(engine, feed, 4, start=2) for engine in (straight, resumed)]

        assert list(state) == list(state_shapes(case.spec))
        assert [n for n in state if kept[n] != again[n].tobytes()] == []
        assert [n for n in state if kept[n] != state[n].tobytes()] == [], "export gave no copy"
        assert all(value.flags.c_contiguous for value in state.values())
        assert ends[0] == ends[1]
        left, right = straight.export(), resumed.export()
        assert [n for n in left if left[n].tobytes() != right[n].tobytes()] == []

    @pytest.mark.parametrize("idle", ["generator", "discriminator"])
    def test_a_players_update_leaves_the_other_untouched(self, subject: Backend, idle: str) -> None:
        case = replace(WALKS[3], changes={f"{idle}.optimiser.learning_rate": 0.0})
        engine = begin(case, subject)
        before = weights(case.spec, engine.export())

        walk(engine, case.feed(), 2)

        after = weights(case.spec, engine.export())
        moved = {name for name in after if (after[name] != before[name]).any()}
        assert moved == {name for name in after if not name.startswith(f"{idle}/")}

    def test_loading_a_state_leaves_nothing_of_the_old_one(self, subject: Backend) -> None:
        case = WALKS[3]
        engine, fresh = begin(case, subject), begin(case, subject)
        walk(engine, case.feed(), 2)

        made = [step_once(case, each, 7) for each in (engine, fresh)]

        assert [n for n in made[0] if made[0][n].tobytes() != made[1][n].tobytes()] == []
