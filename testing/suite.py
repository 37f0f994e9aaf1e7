"""The conformance suite: a backend is compared with stored arrays, from operations to whole runs.

To the operations (tier P1) it adds P2, one step from a given state; P3, small GANs over many steps;
and P5, a state that is exported and loaded. The references of whole steps were computed by PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gandem.core.rng import fingerprint
from gandem.core.specs import Conv2D, Image, plan_spec
from gandem.core.training import (
    Backend,
    Differentiator,
    Engine,
    add_features,
    complete_state,
    fixed_inputs,
    hollow_spec,
    initial_state,
    load_loss,
    make_engine,
    state_shapes,
    weights,
)
from gandem.testing.base import find_unknown_failures, list_tests, name_of, tier
from gandem.testing.case_types import hashed_numbers
from gandem.testing.cases import CASES, LOSSES, OPTIMIZERS
from gandem.testing.operations import OperationConformance
from gandem.testing.references.files import load_step_reference, load_steps
from gandem.testing.target import ConformanceTarget
from gandem.testing.trajectories import (
    SEED,
    STARTS,
    TRAJECTORIES,
    Trajectory,
    digest,
    find_trajectory,
    make_step,
    run_steps,
    stack_losses,
    start_engine,
    summarize,
)


def _find_changed(before: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> list[str]:
    """Return the names of arrays whose bytes differ from those before."""
    return [name for name in before if name not in arrays or arrays[name].tobytes() != before[name]]


class BackendConformance(OperationConformance, suite=True):
    """All tests: subclass it and name the backend."""

    @tier("form")
    def test_every_known_failure_names_a_test_and_gives_a_reason(
        self, target: ConformanceTarget
    ) -> None:
        known = target.known_failures
        cases = map(name_of, (*CASES, *LOSSES, *OPTIMIZERS, *TRAJECTORIES))
        messages = find_unknown_failures(known, list_tests(BackendConformance), cases)
        messages += [
            f"known_failures: {name!r} has no reason."
            for name, reason in known.items()
            if not reason.strip()
        ]

        assert not messages, " ".join(messages)

    @tier("form")
    def test_the_random_streams_are_those_of_the_references(self) -> None:
        assert str(load_steps()["streams"]) == fingerprint(), (
            f"NumPy {np.__version__} draws other numbers than the version that the references "
            "were computed with; the tests of whole steps cannot pass."
        )

    @pytest.fixture(scope="class")
    @classmethod
    def engines(cls) -> dict[tuple[str, str], Engine]:
        """Keep the engines of one trajectory, by its name and the precision."""
        return {}

    def at_start(
        self,
        engines: dict[tuple[str, str], Engine],
        subject: Backend,
        case: Trajectory,
        precision: str = "float64",
    ) -> Engine:
        """Return the engine of a trajectory, at its first step.

        Compiling a step takes long on most backends, so the tests of a trajectory, which the pytest
        plugin makes neighbors, share an engine.
        """
        if "resume" not in subject.capabilities:
            return start_engine(case, subject, precision)
        key = (case.name, precision)
        if key not in engines:
            for other in [other for other in engines if other[0] != case.name]:
                del engines[other]
            engines[key] = start_engine(case, subject, precision)
        engines[key].load(initial_state(case.spec, SEED, precision))
        return engines[key]

    @tier("P3", "float64")
    @pytest.mark.parametrize("case", TRAJECTORIES, ids=name_of)
    def test_a_training_matches_the_reference(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Trajectory
    ) -> None:
        engine, step, losses = self.at_start(engines, subject, case), 0, []
        for mark in case.marks:
            losses += run_steps(engine, case.feed(), mark, step)
            step = mark
            received = summarize(case, engine)
            expected = load_step_reference(case.name, f"after {mark}", received)
            self.compare(f"{case.name} after {mark} steps", expected, received)
        received = stack_losses(losses)
        expected = load_step_reference(case.name, "losses", received)
        self.compare(f"{case.name}: losses", expected, received)

    @tier("P2", "float64", "resume")
    @pytest.mark.parametrize("start", STARTS)
    @pytest.mark.parametrize("case", TRAJECTORIES, ids=name_of)
    def test_one_step_from_a_given_state(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Trajectory, start: int
    ) -> None:
        engine = self.at_start(engines, subject, case)

        received = digest(make_step(case, engine, start))

        expected = load_step_reference(case.name, f"one step from {start}", received)
        self.compare(f"{case.name}, one step from {start}", expected, received)

    @tier("P2", "resume")
    @pytest.mark.parametrize("case", TRAJECTORIES, ids=name_of)
    def test_one_step_in_single_precision(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Trajectory
    ) -> None:
        engine = self.at_start(engines, subject, case, "float32")

        self.compare_float32(case, make_step(case, engine, 7, "float32"))

    @tier("P2", "gpu", "resume")
    @pytest.mark.parametrize("case", TRAJECTORIES, ids=name_of)
    def test_one_step_on_a_gpu(self, subject: Backend, case: Trajectory) -> None:
        device = next((name for name in subject.devices() if name != "cpu"), None)
        if device is None:
            pytest.skip("this machine has no GPU")
        engine = start_engine(case, subject, "float32", device)

        self.compare_float32(case, make_step(case, engine, 7, "float32"))

    def compare_float32(self, case: Trajectory, received: Mapping[str, np.ndarray]) -> None:
        """Compare the weights and running statistics after a step in float32 with the stored ones,
        in float64.
        """
        plans = plan_spec(case.spec).values()
        names = [p.name for plan in plans for p in (*plan.parameters(), *plan.statistics())]
        sample = digest(received)
        expected = load_step_reference(case.name, "one step from 7", sample)
        assert expected, "no reference is stored; a new case needs: make references"
        double = [name for name in names if received[name].dtype != np.float32]
        assert not double, f"not float32: {', '.join(double)}"
        errors = np.concatenate([np.abs(sample[name] - expected[name]) for name in names])
        share = float((errors <= 2e-5).mean())
        assert errors.max() <= 2e-4, f"a weight is off by {errors.max():.1e} (allowed 2e-4)"
        assert share >= 0.999, f"{share:.2%} of the weights are within 2e-5 (expected 99.9 %)"

    @tier("P5", "resume")
    @pytest.mark.parametrize("case", TRAJECTORIES, ids=name_of)
    def test_a_loaded_state_continues_bit_for_bit(
        self, subject: Backend, engines: dict[tuple[str, str], Engine], case: Trajectory
    ) -> None:
        double = "float64" in subject.capabilities and not TRAJECTORIES.index(case) % 2
        precision = "float64" if double else "float32"
        feed, engine = case.feed(precision), self.at_start(engines, subject, case, precision)
        run_steps(engine, feed, 2)
        state = engine.export()
        before = {name: value.tobytes() for name, value in state.items()}
        loss = load_loss(case.spec.loss)
        resumed = make_engine(subject, case.spec, loss, state, precision=precision, device="cpu")
        loaded = resumed.export()

        losses = [run_steps(each, feed, 4, start=2) for each in (engine, resumed)]

        assert list(state) == list(state_shapes(case.spec)), "names, or their order"
        assert _find_changed(before, loaded) == [], "export differs from what was loaded"
        assert _find_changed(before, state) == [], "export returned no copy: later steps changed it"
        assert all(value.flags.c_contiguous for value in state.values()), "not contiguous"
        assert losses[0] == losses[1], "the losses after the load"
        after = {name: value.tobytes() for name, value in engine.export().items()}
        assert _find_changed(after, resumed.export()) == [], "the state after two more steps"

    @tier("P1", "float64")
    def test_an_objective_and_its_gradient_by_an_image(self, subject: Backend) -> None:
        image = Image(height=4, width=3, channels=2)
        layers = (Conv2D(name="mix", filters=3, kernel=1),)  # type: ignore[arg-type]
        spec = add_features(hollow_spec(image), layers, ["mix"])
        shapes = {"kernel": (1, 1, 2, 3), "bias": (3,)}
        weights = {f"features/mix/{k}": hashed_numbers(k, shape) for k, shape in shapes.items()}
        state = complete_state(spec, weights, "float64")
        loss = load_loss(spec.loss)
        engine = subject.engine(spec, loss, state, precision="float64", device="cpu")
        if not isinstance(engine, Differentiator):
            pytest.skip("the engine cannot differentiate functions of arrays, which is optional")
        pixels, mask = hashed_numbers("image", (2, 4, 3, 2)), hashed_numbers("mask", (1, 4, 3, 1))
        target = hashed_numbers("target", (2, 3, 3))

        def objective(ops: Any, apply: Any, variables: Any, constants: Any) -> Any:
            observed: dict[str, Any] = {}
            apply("features", observed, image=variables["image"])
            masked = observed["mix"] * constants["mask"]
            gram = ops.gram(masked) - constants["target"]
            return ops.mean(ops.square(gram)), {"masked": masked, "gram": gram}

        evaluate = engine.differentiate(objective, {"mask": mask, "target": target})
        value, report, gradients = evaluate({"image": pixels})

        kernel = weights["features/mix/kernel"][0, 0]
        masked = (pixels @ kernel + weights["features/mix/bias"]) * mask
        gram = np.einsum("nhwc,nhwd->ncd", masked, masked) - target
        slope = np.einsum("nhwd,ncd->nhwc", masked, gram + gram.swapaxes(1, 2)) * (2 / gram.size)
        expected = {
            "value": np.array(np.mean(gram**2)),
            "masked": masked,
            "gram": gram,
            "gradient": (slope * mask) @ kernel.T,
        }
        received = {"value": np.array(value), **report, "gradient": gradients["image"]}
        self.compare("objective", expected, received)

    @tier("P1", "float64")
    def test_a_network_runs_up_to_a_layer_and_on_from_its_output(self, subject: Backend) -> None:
        case = find_trajectory("fresh noise")
        engine, inputs = start_engine(case, subject), fixed_inputs(case.spec, SEED, 3, "float64")
        whole = engine.forward("generator", inputs)

        features = engine.forward("generator", inputs, layer="conv2d_transpose")
        images = engine.forward("generator", {"layer:conv2d_transpose": features})

        assert features.shape == (3, 4, 4, 5), "features of the layer, channels-last"
        self.compare("a network in two parts", {"images": whole}, {"images": images})

    @tier("P2", "float64")
    @pytest.mark.parametrize("idle", ["generator", "discriminator"])
    def test_a_players_update_leaves_the_other_untouched(self, subject: Backend, idle: str) -> None:
        changes = {f"{idle}.optimizer.learning_rate": 0.0}
        case = replace(find_trajectory("fresh noise"), changes=changes)
        engine = start_engine(case, subject)
        before = weights(case.spec, engine.export())

        run_steps(engine, case.feed(), 2)

        after = weights(case.spec, engine.export())
        moved = {name for name in after if (after[name] != before[name]).any()}
        expected = {name for name in after if not name.startswith(f"{idle}/")}
        assert moved == expected, f"wrongly moved or unmoved: {sorted(moved ^ expected)}"

    @tier("P5", "float64", "resume")
    def test_loading_a_state_replaces_all_of_the_old_one(self, subject: Backend) -> None:
        case = find_trajectory("fresh noise")
        engine, fresh = start_engine(case, subject), start_engine(case, subject)
        run_steps(engine, case.feed(), 2)

        used, new = (make_step(case, each, 7) for each in (engine, fresh))

        expected = {name: value.tobytes() for name, value in new.items()}
        assert _find_changed(expected, used) == [], "the step depends on the state before the load"


class TestBackend(BackendConformance):
    """The suite as it is: ``pytest --pyargs gandem.testing.suite --gandem-backend acme/jax``."""
