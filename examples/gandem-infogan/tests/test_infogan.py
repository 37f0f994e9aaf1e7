"""The package: found by gandem, and trained on every backend with the same steps."""

import numpy as np
import pytest
from gandem_infogan import Category

import gandem
from gandem.core.errors import SpecError
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.specs import plan_spec
from gandem.core.training import NumpyOps, fixed_inputs
from gandem.parity import measure

MODEL, LOSS = "example/category-gan", "example/category"
SMALL = registry().find("models", MODEL).small
BACKENDS = [row.id for row in registry().entries("backends") if is_installed(row)]
HOME = "torch" if "torch" in BACKENDS else BACKENDS[0]
PAIRS = [(HOME, other) for other in BACKENDS if other != HOME]


def test_gandem_reports_no_problem_with_the_plugin():
    (plugin,) = [p for p in registry().plugins if p.distribution == "gandem-infogan"]

    assert plugin.adds == {"models": [MODEL], "losses": [LOSS]}
    assert plugin.problems == []


def test_the_classifier_returns_a_logit_for_each_category():
    spec = gandem.spec(MODEL, categories=5)

    assert plan_spec(spec)["classifier"].output_shape == (5,)


def test_noise_without_a_category_is_refused(tmp_path):
    changes = {"latent.categories": 0}

    with pytest.raises(SpecError, match="there is no category to classify"):
        gandem.train(MODEL, backend=HOME, changes=changes, out=tmp_path / "run")


def test_the_loss_of_a_guess_among_ten_categories_is_log_10():
    labels = {"category": np.eye(10)[:4]}

    loss = Category().auxiliary(NumpyOps(), "classifier", np.zeros((4, 10)), labels)

    assert loss == pytest.approx(np.log(10))


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_trains_on_the_digits(backend, tmp_path):
    run = gandem.train(
        MODEL, backend=backend, data="digits", steps=2, changes=SMALL, out=tmp_path / "run"
    )

    assert run.record.losses["classifier"] > 0
    images = run.generate(20)
    assert images.images.shape == (20, 28, 28, 1)
    assert list(images.categories) == [*range(10)] * 2


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_backend_makes_the_same_steps(pair):
    report = measure(MODEL, backends=pair, steps=50)

    assert report.tier == "trajectory"
    assert report.holds, report.marks[-1]


def test_the_classifier_learns_the_category(tmp_path):
    run = gandem.train(
        MODEL, backend=HOME, data="digits", steps=300, changes=SMALL, out=tmp_path / "run"
    )
    engine = run.engine()
    fresh = fixed_inputs(run.spec, 99, 500, "float32")  # noise that no training has seen

    output = engine.forward("classifier", {"image": engine.forward("generator", fresh)})

    drawn = fresh["noise"][:, run.spec.latent.parts["category"]].argmax(1)
    assert (output.argmax(1) == drawn).mean() > 0.8  # by chance 0.1
