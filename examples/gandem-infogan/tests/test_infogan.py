"""InfoGAN: found by gandem, trained on every backend alike, and its recognizer reads the code back
out of images.
"""

import numpy as np
import pytest
from gandem_infogan.loss import InfoGAN

import gandem
from gandem.core.errors import SpecError
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.specs import Loss, plan_spec
from gandem.core.training import NumpyOps, fixed_inputs, load_loss
from gandem.parity import measure

NAME = "example/infogan"
SMALL = registry().find("models", NAME).small
BACKENDS = [row.id for row in registry().entries("backends") if is_installed(row)]
HOME = "torch" if "torch" in BACKENDS else BACKENDS[0]
PAIRS = [(HOME, other) for other in BACKENDS if other != HOME]


def test_gandem_has_nothing_to_say_against_the_plugin():
    (plugin,) = [p for p in registry().plugins if p.distribution == "gandem-infogan"]

    assert plugin.adds == {"models": [NAME], "losses": [NAME]}
    assert plugin.problems == []


# --- the model ------------------------------------------------------------------------------------


def test_at_the_papers_width_its_layers_are_the_papers():
    plans = plan_spec(gandem.spec(NAME, width=64))

    shapes = {name: [node.output_shape for node in plan.nodes] for name, plan in plans.items()}
    assert plans["generator"].inputs == {"noise": (74,)}
    assert {(1024,), (7, 7, 128), (14, 14, 64), (28, 28, 1)} < set(shapes["generator"])
    assert {(14, 14, 64), (7, 7, 128), (1024,), (1,)} < set(shapes["discriminator"])
    assert {(14, 14, 64), (7, 7, 128), (1024,), (128,), (12,)} < set(shapes["recognizer"])


@pytest.mark.parametrize(
    ("settings", "made"),
    [({"image": (32, 32, 3)}, 12), ({"categories": 5}, 7)],
)
def test_the_recognizer_makes_a_number_for_each_of_the_code(settings, made):
    spec = gandem.spec(NAME, **settings)

    assert plan_spec(spec)["recognizer"].output_shape == (made,)


@pytest.mark.parametrize("settings", [{"categories": 0}, {"codes": 0}])
def test_the_code_may_lack_one_of_its_parts(settings, tmp_path):
    run = gandem.train(NAME, backend=HOME, steps=1, changes=SMALL | settings, out=tmp_path / "run")

    assert run.record.losses["recognizer"] > 0


def test_a_code_that_nothing_recognizes_is_refused(tmp_path):
    with pytest.raises(
        SpecError, match=r"^recognizer/dense_2: the output of recognizer has shape \(12,\)"
    ):
        gandem.train(NAME, backend=HOME, changes={"latent.codes": 3}, out=tmp_path / "run")


def test_noise_without_a_code_is_refused(tmp_path):
    changes = {"latent.categories": 0, "latent.codes": 0}

    with pytest.raises(SpecError, match="there is no latent code to recognize"):
        gandem.train(NAME, backend=HOME, changes=changes, out=tmp_path / "run")


# --- the loss --------------------------------------------------------------------------------


def loss(output, **inputs):
    return InfoGAN().auxiliary(NumpyOps(), "recognizer", np.array(output, float), inputs)


def test_it_is_the_bound_without_its_constants():
    rng = np.random.default_rng(0)
    output, drawn, code = rng.normal(size=(6, 5)), np.arange(6) % 3, rng.uniform(-1, 1, (6, 2))

    result = loss(output, category=np.eye(3)[drawn], code=code)

    odds = np.exp(output[:, :3])
    of_category = np.log(odds.sum(1) / odds[np.arange(6), drawn])
    of_code = ((output[:, 3:] - code) ** 2).sum(1) / 2  # -log N(code; output, 1) - log(2π) / 2 each
    assert result == pytest.approx((of_category + 0.1 * of_code).mean(), abs=1e-14)


def test_who_knows_nothing_of_ten_categories_pays_log_10():
    assert loss(np.zeros((4, 10)), category=np.eye(10)[:4]) == pytest.approx(np.log(10))


def test_the_two_first_players_play_the_non_saturating_game():
    logits = np.linspace(-3, 3, 7)[:, None]
    rules = [load_loss(Loss(name=name)) for name in (NAME, "non-saturating")]

    for half in ("fake", "generator"):
        one, other = (getattr(rule, half)(NumpyOps(), logits) for rule in rules)
        assert one == other


# --- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_trains_on_the_digits(backend, tmp_path):
    run = gandem.train(NAME, backend=backend, steps=2, changes=SMALL, out=tmp_path / "run")

    names = ["discriminator", "generator", "real_accuracy", "fake_accuracy", "recognizer"]
    assert [name for name in run.log()[-1] if name in names] == names
    images = run.generate(20)
    assert images.images.shape == (20, 28, 28, 1)
    assert list(images.categories) == [*range(10)] * 2


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_every_backend_follows_the_same_path(pair):
    report = measure(NAME, backends=pair)

    assert report.tier == "trajectory"
    assert report.steps == 200
    assert report.holds, report.marks[-1]


@pytest.mark.parametrize("pair", PAIRS[-1:], ids="-".join)
def test_a_run_may_be_handed_over(pair):
    report = measure(NAME, backends=pair, tier="handover", steps=20)

    assert report.holds, report.handover


def test_the_recognizer_learns_the_category(tmp_path):
    changes = SMALL | {"generator_rate": 1e-3}  # the model's own
    run = gandem.train(NAME, backend=HOME, steps=150, changes=changes, out=tmp_path / "run")
    engine = run.engine()
    fresh = fixed_inputs(run.spec, 99, 500, "float32")  # noise that no training has seen

    output = engine.forward("recognizer", {"image": engine.forward("generator", fresh)})

    drawn = fresh["noise"][:, run.spec.latent.parts["category"]].argmax(1)
    assert (output[:, :10].argmax(1) == drawn).mean() > 0.8  # by chance 0.1
