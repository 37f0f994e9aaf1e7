"""The schedule can be used in a spec, and trains."""

import gandem
import pytest
from gandem.core.specs import Piecewise
from gandem.core.training import installed_backends

SCHEDULE = {"schedule": "my-plugin/example", "peak": 1e-3, "end": 30}
CHANGES = {"generator.optimizer.learning_rate": SCHEDULE, "latent": 8, "batch_size": 16}


def test_spec_holds_the_schedule_that_the_function_returns():
    spec = gandem.spec("mlp-gan", **CHANGES)

    rate = spec.player("generator").optimizer.learning_rate
    assert isinstance(rate, Piecewise)
    assert [rate.value(step, 0.0) for step in (0, 10, 20, 30)] == pytest.approx(
        [4e-5, 1e-3, 5e-4, 0.0]
    )


def test_model_with_the_schedule_trains(tmp_path):
    backend = installed_backends()[0]

    run = gandem.train(
        "mlp-gan", backend=backend, data="digits", steps=2, changes=CHANGES, out=tmp_path / "run"
    )

    assert run.record.steps == 2
