"""A run killed by SIGKILL at any moment resumes from its checkpoints and ends bit for bit as an
undisturbed run.
"""

import itertools
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support.commands import LINE, THERE, TINY, command, needs_both
from support.forks import Ended, Fork, Forks, Trap, outcome

import gandem
from gandem.commands.run_summaries import find_runs
from gandem.core.specs import Dropout, to_toml
from gandem.core.specs.loading import load_spec

if "torch" not in THERE or not hasattr(os, "fork"):
    pytest.skip("needs PyTorch, and processes that fork", allow_module_level=True)

KILLS = 4
"""At random moments, in each of six tests."""
KINDS = {
    "short": ("--steps", 4, "--log-every", 3, "--keep-last", 1, "--best", "generator:max"),
    "steps": ("--steps", 25, "--checkpoint-steps", 3, "--set=training.discriminator_steps=2"),
    "best": (
        "--epochs",
        8,
        "--checkpoint-steps",
        2,
        "--keep-last",
        1,
        "--best",
        "real_accuracy:max",
    ),
    "epochs": ("--epochs", 9, "--log-every", 2, "--keep-last", 0),
}


@dataclass(frozen=True)
class Training:
    """A training that can be begun again and again.

    Attributes:
        arguments: those of the command.
        outcome: of an undisturbed one.
        places: its writes, one after another.
    """

    arguments: tuple[object, ...]
    outcome: dict[str, object]
    places: list[str]


@pytest.fixture(scope="module")
def forks():
    return Forks.shared()


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    """A tiny dcgan whose state is more than weights: dropout, and an average of the weights."""
    model_spec = load_spec("dcgan", TINY["dcgan"] | {"training.ema_decay": 0.9})
    generator, discriminator = model_spec.players
    layers = (*discriminator.layers[:2], Dropout(rate=0.3), *discriminator.layers[2:])
    model_spec = replace(model_spec, players=(generator, replace(discriminator, layers=layers)))
    path = tmp_path_factory.mktemp("spec") / "tiny.toml"
    path.write_text(to_toml(model_spec))
    return path


@pytest.fixture(scope="module")
def arguments(spec, data):
    """Return a function that gives the command's arguments for a kind of training."""
    return lambda kind: ("train", spec, "--data", data, *KINDS[kind], "--out", "run")


@pytest.fixture(scope="module")
def training(forks, arguments, tmp_path_factory):
    """Return a function that gives a kind of training, made undisturbed once for all tests."""
    cache = {}

    def of(kind):
        if kind not in cache:
            cwd = tmp_path_factory.mktemp(kind)
            done = forks.run(*arguments(kind), cwd=cwd, trap=Trap())
            assert done.code == 0, done.stderr
            cache[kind] = Training(arguments(kind), outcome(cwd / "run"), done.places)
        return cache[kind]

    return of


def killed(fork: Fork, writes: int, seconds: float) -> Ended:
    """Kill a process ``seconds`` after it has started ``writes`` writes."""
    fork.until(lambda: fork.writes() >= writes or fork.is_over())
    time.sleep(seconds)
    fork.signal(signal.SIGKILL)
    return fork.ended()


def next_step(cwd: Path, training: Training) -> tuple[object, ...]:
    """Return what a person does after a kill: go on, or begin again where nothing had begun."""
    started = (cwd / "run" / "spec.toml").exists()
    return ("resume", "run") if started else training.arguments


def assert_it_ends_undisturbed(forks: Forks, cwd: Path, training: Training, said: str) -> None:
    done = forks.run(*next_step(cwd, training), cwd=cwd)

    assert done.code == 0, (said, done.stderr)
    assert outcome(cwd / "run") == training.outcome, said


# --- at random moments ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_a_training_killed_at_random_moments_ends_as_if_nothing_had_happened(
    forks, training, tmp_path, seed
):
    draw = random.Random(seed)
    neighbors = training(["steps", "best", "epochs"][seed % 3])
    kills = 0
    while kills < KILLS:
        cwd = Path(tempfile.mkdtemp(dir=tmp_path))
        moments = []
        while True:
            moments.append(
                (draw.randint(0, len(neighbors.places)), round(draw.uniform(0, 0.03), 4))
            )
            fork = forks.start(*next_step(cwd, neighbors), cwd=cwd, trap=Trap())
            done = killed(fork, *moments[-1])
            kills += done.code == -signal.SIGKILL
            if done.code != -signal.SIGKILL or draw.random() < 0.2:
                break
        assert done.code in (0, -signal.SIGKILL), (seed, moments, done.stderr)
        assert_it_ends_undisturbed(forks, cwd, neighbors, f"{seed=}, killed at {moments}")


# --- at every single write -----------------------------------------------------------------------


def test_the_writes_of_a_training_are_of_every_kind(training):
    assert set(training("short").places) >= {
        "make .",
        "open .lock",
        "write *.part",
        "open *.part",
        "rename run.json",
        "rename spec.toml",
        "remove *.part",
        "append log.jsonl",
        "make samples",
        "write samples/*.part",
        "rename samples/epoch-0001.png",
        "make checkpoints",
        "write checkpoints/*.part",
        "open checkpoints/*.part",
        "rename checkpoints/step-000003.safetensors",
        "remove checkpoints/*.part",
        "remove checkpoints/step-000003.safetensors",
    }


def test_a_training_killed_at_a_write_of_spec_record_log_or_checkpoint_resumes_to_the_same_outcome(
    forks, training, tmp_path
):
    """The slow tests kill at any write."""
    neighbors = training("short")
    moments = {
        place: at for at, place in enumerate(neighbors.places, 1)
    }  # the last one of each kind
    moments["first rename run.json"] = 1 + neighbors.places.index("rename run.json")
    for place, at in moments.items():
        if "samples" in place or place.startswith(
            ("make ", "open ", "remove *", "remove checkpoints/*")
        ):
            continue  # nothing that a resume reads
        cwd = tmp_path / str(at)
        cwd.mkdir()

        done = forks.run(*neighbors.arguments, cwd=cwd, trap=Trap(at))

        assert done.code == -signal.SIGKILL, done.stderr
        assert_it_ends_undisturbed(forks, cwd, neighbors, f"killed at write {at}, {place!r}")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 5))
@pytest.mark.parametrize(("deed", "code"), [("kill", -signal.SIGKILL), ("cut", -signal.SIGXFSZ)])
def test_a_training_killed_at_any_write_ends_as_if_nothing_had_happened(
    forks, training, tmp_path, deed, code, first
):
    neighbors = training("short")
    for at in itertools.count(first, 4):
        cwd = tmp_path / str(at)
        cwd.mkdir()

        done = forks.run(*neighbors.arguments, cwd=cwd, trap=Trap(at, deed))

        if done.code == 0:  # it has had all its writes
            break
        assert done.code == code, done.stderr
        output = f"{deed} at write {at}, {done.places[-1]!r}"
        assert_it_ends_undisturbed(forks, cwd, neighbors, output)
    assert at >= len(neighbors.places) // 5, "some writes were passed over"


@pytest.fixture(scope="module")
def wreck(forks, training, tmp_path_factory):
    """A run killed while its last checkpoint was renamed: it has unfinished files, half a line in
    its log, samples from ahead of its newest good checkpoint, and a damaged one.
    """
    cwd = tmp_path_factory.mktemp("wreck")
    trap = Trap("rename checkpoints/step-000004")
    done = forks.run(*training("short").arguments, cwd=cwd, trap=trap)
    assert done.code == -signal.SIGKILL
    run = cwd / "run"
    (run / "samples" / ".gandem-0123456789abcdef.part").write_bytes(b"\x89PNG")
    (run / "checkpoints" / "step-000004.safetensors").write_bytes(b"")
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "epo')
    return run


def assert_the_wreck_ends_undisturbed(forks: Forks, cwd: Path, training: Training, said: str):
    done = forks.run("resume", "run", cwd=cwd)

    assert done.code == 0, (said, done.stderr)
    (cwd / "run" / "checkpoints" / "step-000004.safetensors.damaged").unlink()
    assert outcome(cwd / "run") == training.outcome, said


@pytest.mark.parametrize(
    "place",
    [
        "remove samples/*.part",
        "rename checkpoints/step-000004.safetensors.damaged",
        "rename log.jsonl",
        "rename run.json",
        "open checkpoints/*.part",
    ],
)
def test_a_resumed_training_killed_at_a_write_resumes_to_the_same_outcome(
    forks, training, wreck, tmp_path, place
):
    shutil.copytree(wreck, tmp_path / "run")

    done = forks.run("resume", "run", cwd=tmp_path, trap=Trap(place))

    assert done.code == -signal.SIGKILL, done.stderr
    assert_the_wreck_ends_undisturbed(forks, tmp_path, training("short"), f"killed at {place!r}")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 4))
@pytest.mark.parametrize(("deed", "code"), [("kill", -signal.SIGKILL), ("cut", -signal.SIGXFSZ)])
def test_a_resumed_training_killed_at_any_write_ends_as_if_nothing_had_happened(
    forks, training, wreck, tmp_path, deed, code, first
):
    places = []
    for at in itertools.count(first, 3):
        cwd = tmp_path / str(at)
        shutil.copytree(wreck, cwd / "run")

        done = forks.run("resume", "run", cwd=cwd, trap=Trap(at, deed))

        if done.code == 0:
            break
        assert done.code == code, done.stderr
        output = f"{deed} at write {at}, {done.places[-1]!r}"
        assert_the_wreck_ends_undisturbed(forks, cwd, training("short"), output)
        places += done.places
    assert {"rename log.jsonl", "rename run.json", "remove samples/*.part"} <= {*places}
    assert at > first + 3, "there were no writes to be killed at"


@pytest.mark.parametrize("at", ["rename run.json", "write *.part", "rename spec.toml"])
def test_a_training_killed_before_it_had_begun_is_no_run(forks, arguments, tmp_path, at):
    forks.run(*arguments("short"), cwd=tmp_path, trap=Trap(at))

    done = forks.run("resume", "run", cwd=tmp_path)

    assert done.code == 1
    assert LINE.fullmatch(done.stderr), done.stderr
    assert "not a run" in done.stderr


def test_a_training_killed_before_its_first_checkpoint_begins_again_and_says_so(
    forks, training, tmp_path
):
    neighbors = training("short")
    done = forks.run(*neighbors.arguments, cwd=tmp_path, trap=Trap("write checkpoints/"))
    assert done.code == -signal.SIGKILL

    done = forks.run("resume", "run", cwd=tmp_path)

    assert done.code == 0
    assert done.stderr == "run: it has no checkpoint yet; starting again at step 0.\n"
    assert outcome(tmp_path / "run") == neighbors.outcome


def test_a_killed_training_is_listed_as_interrupted_after_the_steps_it_kept(
    forks, arguments, tmp_path
):
    forks.run(*arguments("epochs"), cwd=tmp_path, trap=Trap("step-000012"))

    (result,) = find_runs(tmp_path)

    assert (result.state, result.step, result.steps) == ("interrupted", 9, 27)


# --- on the other backend ------------------------------------------------------------------------


@needs_both
@pytest.mark.slow
def test_keras_killed_twice_ends_as_if_nothing_had_happened(forks, spec, data, tmp_path):
    settings = {"backend": "keras", "data": data, "log_every": 1}
    settings |= {"steps": 40, "checkpoint_steps": 4}
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    arguments = ("train", spec, *options, "--out", "run")
    log = tmp_path / "run" / "log.jsonl"
    for low, high in ((2, 13), (18, 30)):
        row = random.randint(low, high)
        with (tmp_path / "said").open("w") as output:
            process = subprocess.Popen(
                command(*arguments), cwd=tmp_path, stdout=output, stderr=subprocess.STDOUT
            )
        while not (log.exists() and f'"step": {row},' in log.read_text()):
            assert process.poll() is None, (tmp_path / "said").read_text()
            time.sleep(0.002)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"over before it was killed at step {row}"
        arguments = ("resume", "run")
    shutil.copytree(tmp_path / "run", tmp_path / "taken" / "run")

    subprocess.run(command(*arguments), cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    taken_over = forks.run(*arguments, "--backend", "torch", cwd=tmp_path / "taken")

    undisturbed = gandem.train(load_spec(spec), **settings, out=tmp_path / "undisturbed")
    assert outcome(tmp_path / "run") == outcome(undisturbed.path)
    assert taken_over.code == 0, taken_over.stderr
    assert gandem.open_run(tmp_path / "taken" / "run").record.state == "finished"


@needs_both
@pytest.mark.slow
def test_keras_takes_a_killed_run_over_from_torch(forks, arguments, tmp_path):
    forks.run(*arguments("epochs"), cwd=tmp_path, trap=Trap("step-000018"))

    run = gandem.resume(tmp_path / "run", backend="keras")

    assert (run.record.state, run.record.steps) == ("finished", 27)
    assert [part.first_step for part in run.record.segments] == [0, 15]
    assert [part.backend for part in run.record.segments] == ["torch", "keras"]
