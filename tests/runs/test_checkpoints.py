"""Checkpoints: what is read is what was written, and nothing else is read."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from support.commands import TINY, on_each

import gandem
from gandem.core.errors import RunError
from gandem.core.fields import encode
from gandem.core.runs import checkpoint_path, read_checkpoint, write_checkpoint
from gandem.core.runs.checkpoint import (
    DamagedError,
    list_checkpoints,
    parse_step,
    read_metrics,
)
from gandem.core.specs import to_data, to_toml
from gandem.core.specs.loading import load_spec
from gandem.core.training import initial_state, state_shapes

SPEC = load_spec("dcgan", TINY["dcgan"])
FACTS = {"data": {"name": "digits", "count": 40}, "metrics": {"generator": 0.75}}


def keep(folder: Path, step: int = 7, precision: str = "float32", **changed: np.ndarray) -> Path:
    """Write a checkpoint of a network that has learned nothing yet."""
    state = initial_state(SPEC, 0, precision) | changed
    return write_checkpoint(folder, step, state, SPEC, 3, FACTS)


# --- what is kept --------------------------------------------------------------------------------


@on_each
def test_the_checkpoint_holds_what_the_engine_exports_in_canonical_layout(runs, backend):
    run = runs(backend=backend)

    checkpoint = read_checkpoint(run.checkpoints()[-1])
    exported = run.engine(backend).export()

    state = checkpoint.state
    shapes = [(name, array.shape) for name, array in state.items()]
    assert shapes == list(state_shapes(run.spec).items())  # in canonical order, too
    assert state["generator/conv2d_transpose/kernel"].shape == (4, 4, 2, 4)  # (H, W, out, in)
    assert state["discriminator/conv2d_1/kernel"].shape == (4, 4, 2, 4)  # (H, W, in, out)
    assert state["optimizer/generator/updates"].shape == ()
    assert state["optimizer/generator/updates"] == checkpoint.step == 6
    for name, value in exported.items():
        assert value.dtype == state[name].dtype, name
        np.testing.assert_array_equal(value, state[name], err_msg=name)


def test_a_stranger_to_gandem_can_read_a_checkpoint(runs):
    with safe_open(runs().checkpoints()[-1], framework="numpy") as file:
        header = json.loads(file.metadata()["gandem"])
        kernel = file.get_tensor("generator/dense/kernel")

    assert kernel.shape == (4, 16)
    assert kernel.dtype == np.float32
    assert header["step"] == 6
    assert header["seed"] == 3
    assert header["data"]["count"] == 40


def test_the_header_says_what_was_trained_on_what_and_with_what(runs, data):
    run = runs()

    header = run.checkpoint().header

    fields = ("model", "backend", "versions", "gandem", "stream")
    assert header["spec"] == to_data(run.spec)
    assert header["data"] == encode(run.record.data)
    assert header["data"]["name"] == data
    assert len(header["data"]["digest"]) == 64
    assert {n: header[n] for n in fields} == {n: getattr(run.record, n) for n in fields}
    assert header["versions"]["numpy"] == np.__version__
    assert header["format"] == 1


def test_the_header_has_the_losses_of_its_step(runs):
    run = runs()

    metrics = read_metrics(run.checkpoint().header, run.spec)

    row = run.log()[-1]
    assert row["step"] == 6
    assert metrics == {name: row[name] for name in metrics}
    assert set(metrics) == {"generator", "discriminator", "real_accuracy", "fake_accuracy"}


@pytest.mark.parametrize(
    "found", [None, [], {"generator": "low"}, {"speed": 1.0}, {"generator": 1}]
)
def test_metrics_that_no_training_reports_are_passed_over(tmp_path, found):
    path = write_checkpoint(
        tmp_path, 1, initial_state(SPEC, 0, "float32"), SPEC, 0, {"metrics": found}
    )

    assert read_metrics(read_checkpoint(path).header, SPEC) == {}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_precision_is_that_of_the_arrays(tmp_path, precision):
    assert read_checkpoint(keep(tmp_path, precision=precision)).precision == precision


def test_the_same_state_and_facts_make_the_same_bytes(tmp_path):
    state = initial_state(SPEC, 0, "float32")
    turned = dict(reversed(state.items()))

    one = write_checkpoint(tmp_path / "one", 7, state, SPEC, 3, FACTS)
    two = write_checkpoint(tmp_path / "two", 7, turned, SPEC, 3, dict(reversed(FACTS.items())))

    assert one.read_bytes() == two.read_bytes()


FORMS = {
    "contiguous": lambda a: a,
    "Fortran order": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "every second of a larger array": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "repeated without a copy": lambda a: np.broadcast_to(a[:1], a.shape),
    "not aligned": lambda a: np.frombuffer(b"x" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "of the other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_array_of_any_memory_layout_survives_a_checkpoint(tmp_path, form, precision):
    state = initial_state(SPEC, 0, precision)
    numbers = np.random.default_rng(0)
    for name, value in state.items():
        if value.ndim:
            state[name] = FORMS[form](numbers.normal(size=value.shape).astype(precision))
    state["optimizer/generator/updates"] = np.array(2**40 + 1, np.int64)

    path = write_checkpoint(tmp_path, 7, state, SPEC, 3, {})
    checkpoint = read_checkpoint(path)

    assert path == checkpoint_path(tmp_path, 7)
    assert (checkpoint.step, checkpoint.seed, checkpoint.spec) == (7, 3, SPEC)
    assert checkpoint.state["optimizer/generator/updates"] == 2**40 + 1
    for name, value in state.items():
        assert checkpoint.state[name].dtype == value.dtype.newbyteorder("="), name
        np.testing.assert_array_equal(checkpoint.state[name], value, err_msg=name)
        assert checkpoint.state[name].shape == value.shape, name


def test_a_scalar_of_any_byte_order_stays_a_scalar(tmp_path):
    updates = np.array(5, ">i8")

    path = keep(tmp_path, **{"optimizer/generator/updates": updates})

    result = read_checkpoint(path).state["optimizer/generator/updates"]
    assert result.shape == ()
    assert result == 5


# --- names ---------------------------------------------------------------------------------------


def test_checkpoints_are_ordered_by_step_however_many_digits_it_has(tmp_path):
    steps = [2, 10, 999, 1000, 999_999, 1_000_000, 99_999_999]
    for step in [1_000_000, 99_999_999, 2, 1000, 10, 999_999, 999]:
        keep(tmp_path, step)

    paths = list_checkpoints(tmp_path)

    assert paths == [checkpoint_path(tmp_path, step) for step in steps]
    assert [parse_step(path) for path in paths] == steps
    assert [read_checkpoint(path).step for path in paths] == steps


FOREIGN = [
    "step-7.safetensors",  # a step has one name
    "step-0000007.safetensors",
    "step-٠٠٠٠٠٧.safetensors",
    "step-000007.safetensors.damaged",
    "step-000007.safetensors.part",
    "step-000007.npz",
    "step--00007.safetensors",
    "step-1e0005.safetensors",
    "step-.safetensors",
    f"step-{10**18}.safetensors",
    "my-step-000007.safetensors",
    "latest.safetensors",
]


def test_files_of_other_names_are_no_checkpoints(tmp_path):
    good = keep(tmp_path)
    for name in FOREIGN:
        shutil.copy(good, good.with_name(name))

    assert list_checkpoints(tmp_path) == [good]
    assert [parse_step(Path(name)) for name in FOREIGN] == [None] * len(FOREIGN)


def test_a_checkpoint_under_any_other_name_can_be_read(tmp_path):
    good = keep(tmp_path)
    moved = good.rename(tmp_path / "from a friend")

    assert read_checkpoint(moved).step == 7


def test_a_run_without_a_folder_of_checkpoints_has_none(tmp_path):
    assert list_checkpoints(tmp_path) == []


# --- writing whole or not at all -----------------------------------------------------------------


def test_a_checkpoint_is_as_readable_as_any_other_new_file(tmp_path):
    (tmp_path / "ordinary").touch()

    path = keep(tmp_path)

    assert path.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    before = keep(tmp_path).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"step-000007.safetensors: cannot be written \(No space"):
        keep(tmp_path, precision="float64")

    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        "step-000007.safetensors"
    ]
    assert checkpoint_path(tmp_path, 7).read_bytes() == before


def test_a_folder_in_the_way_is_left_alone(tmp_path):
    (checkpoint_path(tmp_path, 7) / "thesis").mkdir(parents=True)

    with pytest.raises(RunError, match="cannot be written"):
        keep(tmp_path)

    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        "step-000007.safetensors"
    ]


def test_facts_that_are_no_numbers_are_not_written(tmp_path):
    facts = {"metrics": {"generator": float("nan")}}

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checkpoint(tmp_path, 7, initial_state(SPEC, 0, "float32"), SPEC, 3, facts)

    assert list_checkpoints(tmp_path) == []


# --- damage --------------------------------------------------------------------------------------


def test_a_single_flipped_bit_anywhere_is_noticed(tmp_path):
    good = keep(tmp_path)
    whole, kept = good.read_bytes(), read_checkpoint(good)
    path = tmp_path / "x.safetensors"
    places = np.random.default_rng(0).integers(0, len(whole), 150)
    unnoticed = 0
    for place in [*range(9), *places.tolist(), len(whole) - 1]:
        broken = bytearray(whole)
        broken[place] ^= 1 << (place % 8)
        path.write_bytes(broken)
        try:
            checkpoint = read_checkpoint(path)
        except RunError:
            continue
        else:  # only where nothing is said: white space after the header
            unnoticed += 1
            assert checkpoint.header == kept.header
            assert all(
                (checkpoint.state[name] == value).all() for name, value in kept.state.items()
            )
    assert unnoticed <= 3


@pytest.mark.parametrize("kept", [0, 4, 7, 8, 9, 100, 0.5, 0.9, -8, -1])
def test_a_checkpoint_cut_short_is_refused(tmp_path, kept):
    whole = keep(tmp_path).read_bytes()
    path = tmp_path / "x.safetensors"
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])

    with pytest.raises(DamagedError, match=r"x\.safetensors: not a checkpoint of gandem, or dam"):
        read_checkpoint(path)


def test_a_checkpoint_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(RunError, match="cannot be read") as caught:
        read_checkpoint(tmp_path / "x.safetensors")

    assert not isinstance(caught.value, DamagedError)


def test_a_checkpoint_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "y.safetensors").mkdir()

    with pytest.raises(DamagedError, match=r"y\.safetensors: it is not a file"):
        read_checkpoint(tmp_path / "y.safetensors")


def test_a_checkpoint_whose_step_is_not_that_of_its_name_is_refused(tmp_path):
    good = keep(tmp_path)
    moved = good.rename(checkpoint_path(tmp_path, 8))

    with pytest.raises(DamagedError, match="its header says step 7, its name 8"):
        read_checkpoint(moved)


def test_weights_that_are_not_finite_are_not_loaded(tmp_path):
    kernel = initial_state(SPEC, 0, "float32")["generator/dense/kernel"]
    kernel[1, 1] = np.inf
    path = keep(tmp_path, **{"generator/dense/kernel": kernel})

    with pytest.raises(
        DamagedError, match="generator/dense/kernel holds numbers that are not finite"
    ):
        read_checkpoint(path)


# --- beside another spec -------------------------------------------------------------------------

OTHERS = {
    "width": (3, "players.generator.layers.dense.units is 24 there, 16 in the checkpoint"),
    "learning_rate": (
        1e-3,
        "players.generator.optimizer.learning_rate is 0.001 there, 0.03 in the checkpoint",
    ),
    "training.ema_decay": (0.5, "training.ema_decay is 0.5 there, 0.0 in the checkpoint"),
}


@pytest.mark.parametrize("field", OTHERS)
def test_a_checkpoint_of_another_spec_than_the_one_beside_it_names_the_field(run, tmp_path, field):
    value, words = OTHERS[field]
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "spec.toml").write_text(to_toml(load_spec("dcgan", TINY["dcgan"] | {field: value})))

    changed = gandem.open_run(copy)

    with pytest.raises(RunError, match=r"it has another spec than spec\.toml") as caught:
        changed.checkpoint()
    assert words in str(caught.value)
    with pytest.raises(RunError, match="it has another spec"):
        changed.state()


def test_a_run_that_was_only_renamed_still_has_its_checkpoint(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "spec.toml").write_text(to_toml(load_spec("dcgan", TINY["dcgan"] | {"name": "mine"})))

    assert gandem.open_run(copy).checkpoint().step == 6
