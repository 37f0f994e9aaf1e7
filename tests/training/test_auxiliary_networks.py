"""Auxiliary networks that a loss of a plugin adds, and that every backend trains."""

import importlib
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.commands import HOME, gandem, needs_a_backend, needs_both, on_each

from gandem.commands.render import format_spec
from gandem.core.errors import SpecError
from gandem.core.plugins.registry import registry
from gandem.core.rng import Purpose, stream
from gandem.core.runs import open_run, resume, train
from gandem.core.specs import (
    SGD,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Latent,
    LeakyRelu,
    Player,
    Spec,
    change,
    plan_spec,
    to_toml,
)
from gandem.core.training import (
    Feed,
    fixed_inputs,
    initial_state,
    metric_names,
    passes_of_step,
    state_shapes,
)
from gandem.core.training.backends import load_backend
from gandem.core.training.feed.draws import draw_noise
from gandem.core.training.losses import load_loss
from gandem.testing.trajectories import SMALL, load_tiny_data, run_steps

READING = '''
from gandem import Entry, hookimpl
from gandem.losses.non_saturating import NonSaturating


@hookimpl
def gandem_losses():
    names = ("Reading", "ReadingTwice", "Halfway")
    return [Entry(id=f"toy/{name.lower()}", target=f"toy_gan:{name}") for name in names]


class Reading(NonSaturating):
    """A reader guesses the latent code, and the label where there is one; the generator helps."""

    auxiliaries = ("reader",)
    weight = 1.0

    def auxiliary_shape(self, player, inputs):
        return (sum(shape[0] for name, shape in inputs.items() if name != "noise"),)

    def auxiliary(self, ops, player, output, inputs):
        loss = ops.cross_entropy(output[:, :3], inputs["category"])  # of the code (N, 3 + 2)
        loss = loss + 0.5 * ops.mean(ops.square(output[:, 3:5] - inputs["code"]))
        if "label" in inputs:
            loss = loss + ops.cross_entropy(output[:, 5:], inputs["label"])
        return self.weight * loss


class ReadingTwice(Reading):
    weight = 2.0


class Halfway(NonSaturating):
    auxiliaries = ("reader",)
'''
READER = (
    Conv2D(filters=5, kernel=3, stride=2, bias=False),
    BatchNorm(epsilon=1e-4, decay=0.8),
    LeakyRelu(slope=0.2),
    Dropout(rate=0.3),
    Flatten(),
    Dense(units=5),
)
CODE = {"latent.size": 8, "latent.categories": 3, "latent.codes": 2}
STILL = SGD(learning_rate=1e-300)
"""It moves a weight of 0 by something, and any other by nothing."""


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    """Install a plugin whose losses bring a reader."""
    folder = tmp_path_factory.mktemp("toy")
    (folder / "toy_gan.py").write_text(READING)
    info = folder / "toy_gan-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-gan\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gandem]\ntoy = toy_gan\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDEM_PLUGINS", "toy")
        patch.syspath_prepend(folder)
        importlib.invalidate_caches()
        registry.cache_clear()
        yield
    registry.cache_clear()
    sys.modules.pop("toy_gan", None)


def game(loss="toy/reading", reader=READER, **changes) -> Spec:
    """Return a tiny GAN with a latent code; ``reader``: its layers, or None for nobody."""
    spec = change(SMALL, {**CODE, "loss.name": loss, **changes})
    if reader is None:
        return spec
    adam = spec.player("discriminator").optimizer
    player = Player(name="reader", input="image", optimizer=adam, layers=reader)
    return replace(spec, players=(*spec.players, player))


def trained_by(spec: Spec, **optimizers) -> Spec:
    """Return the spec with other optimizers, by player."""
    players = [replace(p, optimizer=optimizers.get(p.name, p.optimizer)) for p in spec.players]
    return replace(spec, players=tuple(players))


def conditional() -> Spec:
    """Return the game with three classes, which all but the reader see."""
    spec = game(reader=(*READER[:-1], Dense(units=8)), classes=3)
    generator, discriminator, reader = spec.players
    generator = replace(generator, layers=(Concatenate(), *generator.layers))
    planes = Concatenate(planes=True)
    discriminator = replace(discriminator, layers=(planes, *discriminator.layers))
    return replace(spec, players=(generator, discriminator, reader))


def feed_of(spec, precision="float64"):
    return Feed(spec, load_loss(spec.loss), load_tiny_data(), 3, precision)


def engine_of(spec, backend=HOME, precision="float64"):
    state = initial_state(spec, 3, precision)
    loss = load_loss(spec.loss)
    return load_backend(backend).engine(spec, loss, state, precision=precision, device="cpu")


def after(spec, backend=HOME, steps=1):
    """Return the state after some steps."""
    engine = engine_of(spec, backend)
    run_steps(engine, feed_of(spec), steps)
    return engine.export()


def way_of(player, spec, state):
    """Return how far a player's weights have come since the start."""
    before = initial_state(spec, 3, "float64")
    names = [p.name for p in plan_spec(spec)[player].parameters()]
    return np.concatenate([(state[name] - before[name]).ravel() for name in names])


def furthest(player, spec, state):
    return np.abs(way_of(player, spec, state)).max()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    np.savez(path, images=load_tiny_data().images, labels=load_tiny_data().labels)
    return f"npz:{path}"


# --- learning -------------------------------------------------------------------------------------


@on_each
def test_an_auxiliary_network_learns_and_changes_no_other_player(backend):
    spec = trained_by(game(), generator=STILL)

    state = after(spec, backend)

    assert furthest("reader", spec, state) > 1e-4
    assert state["optimizer/reader/updates"] == 1
    assert furthest("generator", spec, state) < 1e-290


@on_each
def test_the_generator_learns_through_an_auxiliary_network_without_changing_it(backend):
    spec = trained_by(game(), reader=STILL)

    state = after(spec, backend)

    assert furthest("generator", spec, state) > 1e-4
    assert furthest("reader", spec, state) < 1e-290


@on_each
def test_the_discriminator_learns_as_without_the_auxiliary_network(backend):
    state = after(game(), backend)

    alone = after(game("non-saturating", reader=None), backend)

    of_it = [name for name in alone if "discriminator" in name]
    assert all(np.array_equal(state[name], alone[name]) for name in of_it)


@needs_a_backend
def test_the_generator_minimizes_its_own_loss_plus_that_of_the_auxiliary_network():
    rate, steps = 0.1, {}
    games = {"non-saturating": None, "toy/reading": READER, "toy/readingtwice": READER}
    for name, reader in games.items():
        spec = trained_by(game(name, reader), generator=SGD(learning_rate=rate), reader=STILL)
        steps[name] = way_of("generator", spec, after(spec)) / -rate  # the gradient

    once = steps["toy/reading"] - steps["non-saturating"]
    twice = steps["toy/readingtwice"] - steps["non-saturating"]

    assert np.abs(once).max() > 1e-3
    np.testing.assert_allclose(twice, 2 * once, rtol=0, atol=1e-12)


@needs_a_backend
def test_the_generator_and_the_auxiliary_network_play_together():
    spec = game()
    losses = [row["reader"] for row in run_steps(engine_of(spec), feed_of(spec), 150)]

    assert losses[0] > 1.1  # chance is log 3 and the codes' variance
    assert np.mean(losses[-10:]) < 0.5 * losses[0]


def test_auxiliary_networks_learn_before_the_generator_and_have_masks_of_their_own():
    spec = game(**{"training.discriminator_steps": 2})
    passes = passes_of_step(spec, load_loss(spec.loss), (16, 16))

    assert [p.player for p in passes] == [
        *("generator", "discriminator", "discriminator") * 2,
        *("generator", "reader", "discriminator", "reader"),
    ]
    numbers = {int(name.split("/")[1]) for name in feed_of(spec)(0) if name.startswith("mask/")}
    assert numbers == {7, 9}


# --- the latent code ------------------------------------------------------------------------------


def test_a_latent_code_is_a_category_drawn_evenly_and_numbers_from_minus_1_to_1():
    latent = Latent(size=8, categories=3, codes=2)
    noise = draw_noise(latent, stream(0, Purpose.NOISE), 30_000)
    category, codes = (noise[:, latent.parts[name]] for name in ("category", "code"))

    assert set(np.unique(category)) == {0.0, 1.0}
    assert set(category.sum(1)) == {1.0}
    np.testing.assert_allclose(category.mean(0), 1 / 3, atol=0.01)
    assert np.abs(codes).max() <= 1
    np.testing.assert_allclose(codes.mean(0), 0, atol=0.01)
    np.testing.assert_allclose(codes.var(0), 1 / 3, atol=0.01)


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_the_rest_of_the_noise_is_what_it_is_without_a_code(distribution):
    plain = Latent(size=8, distribution=distribution)
    coded = replace(plain, categories=3, codes=2)

    one, other = (draw_noise(latent, stream(5, Purpose.NOISE), 7) for latent in (plain, coded))

    assert one[:, 5:].tobytes() == other[:, 5:].tobytes()


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_noise_without_a_code_is_the_plain_stream(distribution):
    latent = Latent(size=8, distribution=distribution)
    plain = stream(5, Purpose.NOISE)
    expected = (
        plain.normal(size=(7, 8)) if distribution == "normal" else plain.uniform(-1, 1, (7, 8))
    )

    assert draw_noise(latent, stream(5, Purpose.NOISE), 7).tobytes() == expected.tobytes()


def test_in_fixed_samples_the_categories_take_turns():
    inputs = fixed_inputs(game(), 0, 7, "float32")

    assert list(inputs["noise"][:, :3].argmax(1)) == [0, 1, 2, 0, 1, 2, 0]
    assert inputs["noise"].dtype == np.float32


def test_with_classes_a_category_stays_for_one_turn_of_the_labels():
    inputs = fixed_inputs(conditional(), 0, 7, "float64")

    assert list(inputs["label"].argmax(1)) == [0, 1, 2, 0, 1, 2, 0]
    assert list(inputs["noise"][:, :3].argmax(1)) == [0, 0, 0, 1, 1, 1, 2]


def test_samples_of_one_class_show_all_categories():
    inputs = fixed_inputs(conditional(), 0, 4, "float64", np.full(4, 1))

    assert list(inputs["noise"][:, :3].argmax(1)) == [0, 1, 2, 0]


def test_a_code_that_does_not_fit_into_the_noise_is_refused():
    with pytest.raises(SpecError, match="3 categories and 2 codes do not fit into a size of 4"):
        Latent(size=4, categories=3, codes=2)


# --- what is shown and kept -----------------------------------------------------------------------


@on_each
def test_a_run_logs_keeps_and_shows_the_auxiliary_network(backend, data, tmp_path):
    run = train(game(), backend=backend, data=data, steps=2, log_every=1, out=tmp_path / "run")

    names = ["discriminator", "generator", "real_accuracy", "fake_accuracy", "reader"]
    assert list(run.record.losses) == list(metric_names(run.spec)) == names
    assert [list(row)[2:7] for row in run.log()] == [names] * 2
    assert run.checkpoint().header["metrics"]["reader"] == run.record.losses["reader"]
    assert any(name.startswith("reader/conv2d/") for name in run.state())
    images = np.zeros((2, 8, 8, 1), np.float32)
    assert run.engine().forward("reader", {"image": images}).shape == (2, 5)
    images = run.generate(7)
    assert list(images.categories) == [0, 1, 2, 0, 1, 2, 0]
    assert images.grid().shape[1] == 3 * (2 * 8 + 2) + 2  # a column for each
    images.save(tmp_path / "made.npz")
    assert set(np.load(tmp_path / "made.npz")) == {"images", "categories"}


@needs_a_backend
def test_the_best_checkpoint_may_be_that_of_the_auxiliary_network(data, tmp_path):
    run = train(game(), data=data, backend=HOME, steps=2, best="reader", out=tmp_path / "a")

    assert run.record.best.metric == "reader"
    with pytest.raises(SpecError, match=r"no metric named 'raeder'\. Did you mean 'reader'"):
        train(game(), data=data, backend=HOME, best="raeder", out=tmp_path / "b")


def test_show_names_the_auxiliary_network_and_the_code(tmp_path):
    path = tmp_path / "game.toml"
    path.write_text(to_toml(game()))

    done = gandem("show", path)

    assert done.exit_code == 0, done.output
    assert "reader: 460 parameters, reads image (8, 8, 1)" in done.stdout
    assert (
        "latent     8 numbers: one of 3 categories, 2 codes from -1 to 1, 3 normal" in done.stdout
    )
    assert done.stdout.startswith(format_spec(game()) + "\n")


def test_the_state_holds_the_auxiliary_network_under_its_name():
    names = [name for name in state_shapes(game()) if "reader" in name]

    assert names[:3] == [
        "reader/conv2d/kernel",
        "reader/batch_norm/scale",
        "reader/batch_norm/offset",
    ]
    assert names[-1] == "optimizer/reader/updates"


# --- refusals -------------------------------------------------------------------------------------


def refused(spec: Spec) -> str:
    with pytest.raises(SpecError) as caught:
        feed_of(spec)
    return str(caught.value)


def test_a_player_that_nothing_trains_is_refused():
    assert refused(game("non-saturating")).startswith(
        "Nothing trains the player 'reader': the loss of 'small' trains generator, "
    )


def test_a_missing_player_of_the_loss_is_refused():
    assert refused(game(reader=None)).startswith(
        "The loss of 'small' needs a player 'reader'. There are: "
    )


@pytest.mark.parametrize("other", ["noise", "label"])
def test_an_auxiliary_network_that_reads_more_than_the_image_is_refused(other):
    layers = (Flatten(), Concatenate(input=other), Dense(units=8))

    said = refused(game(reader=layers, classes=3))

    assert said.startswith("reader/flatten: an auxiliary network reads only the image")


def test_an_auxiliary_network_that_has_another_output_shape_is_refused():
    assert refused(game(**{"latent.codes": 1})) == (
        "reader/dense: the output of reader has shape (5,), the loss 'toy/reading' expects (4,); "
        "change the layers or the latent code."
    )


def test_a_loss_without_a_loss_for_its_player_is_refused():
    assert refused(game("toy/halfway")) == (
        "The loss 'toy/halfway' has a player 'reader', but Halfway has no 'auxiliary_shape'."
    )


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("optimizer", "a part of the state"),
        ("step", "a column of the log"),
        ("fake_accuracy", "a metric"),
    ],
)
def test_a_reserved_player_name_is_refused(name, owner):
    spec = game()
    reader = replace(spec.players[-1], name=name)

    said = refused(replace(spec, players=(*spec.players[:-1], reader)))

    assert said == f"{name!r} is reserved ({owner}); choose another name for the player."


# --- on another backend, and another day ----------------------------------------------------------

DROP = {"training.partial_batch": "drop"}  # Keras compiles a step again for another batch size
PROTOCOLS = {
    "usual": game,
    "three rounds, reused noise, average": lambda: game(
        **{
            "training.discriminator_steps": 3,
            "training.noise": "reused",
            "training.ema_decay": 0.9,
        },
        **DROP,
    ),
    "conditional, joint": lambda: change(conditional(), {"training.passes": "joint"} | DROP),
}


@needs_both
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_torch_and_keras_train_an_auxiliary_network_equally(protocol):
    spec = PROTOCOLS[protocol]()
    engines = [engine_of(spec, name) for name in ("torch", "keras")]

    losses = [
        run_steps(engine, feed_of(spec), 8) for engine in engines
    ]  # "usual": a partial batch too

    one, other = (engine.export() for engine in engines)
    assert max(np.abs(one[name] - other[name]).max() for name in one) < 1e-12
    assert [list(row) for row in losses[0]] == [list(row) for row in losses[1]]
    apart = [abs(a[k] - b[k]) for a, b in zip(*losses, strict=True) for k in a]
    assert max(apart) < 1e-12


@on_each
def test_a_resumed_run_ends_bit_for_bit_like_one_never_interrupted(backend, data, tmp_path):
    options = {"backend": backend, "data": data, "log_every": 2}
    spec = game(**{"training.ema_decay": 0.9}, **DROP)
    straight = train(spec, **options, steps=4, out=tmp_path / "straight")
    train(spec, **options, steps=2, out=tmp_path / "parts")

    resumed = resume(tmp_path / "parts", steps=4)

    whole, parts = straight.state(), resumed.state()
    assert all(whole[name].tobytes() == parts[name].tobytes() for name in whole)
    assert straight.log()[-1]["reader"] == resumed.log()[-1]["reader"]


@pytest.fixture(scope="module")
def straight(data, tmp_path_factory):
    """Return the state after four steps that one backend made in one go."""
    out = tmp_path_factory.mktemp("straight") / "run"
    return train(game(), backend="torch", data=data, precision="float64", steps=4, out=out).state()


@needs_both
@pytest.mark.parametrize(("first", "then"), [("torch", "keras"), ("keras", "torch")])
def test_a_run_resumed_on_another_backend_gives_the_same_weights(
    first, then, straight, data, tmp_path
):
    options = {"backend": first, "data": data, "precision": "float64"}
    train(game(), **options, steps=2, out=tmp_path / "parts")

    resume(tmp_path / "parts", steps=4, backend=then)

    parts = open_run(tmp_path / "parts").state()
    assert max(np.abs(straight[name] - parts[name]).max() for name in straight) < 1e-12
