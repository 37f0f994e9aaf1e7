"""Checkpoints: what is read is what was written, and nothing else is read."""

import json

import numpy as np
import pytest
from running import TINY, on_each
from safetensors import safe_open

from gandem.core.errors import RunError
from gandem.core.registry import load_spec
from gandem.core.runs import checkpoint_path, read_checkpoint, write_checkpoint
from gandem.core.training import initial_state, state_shapes


@on_each
def test_the_checkpoint_holds_what_the_engine_exports_in_canonical_layout(runs, backend):
    run = runs(backend=backend)

    state, header = read_checkpoint(run.checkpoints()[-1], run.spec)
    exported = run.engine(backend).export()

    assert {name: array.shape for name, array in state.items()} == state_shapes(run.spec)
    assert state["generator/conv2d_transpose/kernel"].shape == (4, 4, 2, 4)  # (H, W, out, in)
    assert state["discriminator/conv2d_1/kernel"].shape == (4, 4, 2, 4)  # (H, W, in, out)
    assert state["optimiser/generator/updates"].shape == ()
    assert state["optimiser/generator/updates"] == header["step"] == 6
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


FORMS = {
    "contiguous": lambda a: a,
    "Fortran order": np.asfortranarray,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "every second of a larger array": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "repeated without a copy": lambda a: np.broadcast_to(a[:1], a.shape),
    "of the other byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_array_of_any_memory_layout_survives_a_checkpoint(tmp_path, form, precision):
    spec = load_spec("dcgan", TINY["dcgan"])
    state = initial_state(spec, 0, precision)
    numbers = np.random.default_rng(0)
    for name, value in state.items():
        if value.ndim:
            state[name] = FORMS[form](numbers.normal(size=value.shape).astype(precision))
    state["optimiser/generator/updates"] = np.array(2**40 + 1, np.int64)

    path = write_checkpoint(tmp_path, 7, state, spec, {})
    found, header = read_checkpoint(path, spec)

    assert path == checkpoint_path(tmp_path, 7)
    assert header["step"] == 7
    assert found["optimiser/generator/updates"] == 2**40 + 1
    for name, value in state.items():
        assert found[name].dtype == value.dtype.newbyteorder("="), name
        assert found[name].shape == value.shape, name
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_names_of_checkpoints_sort_by_step(tmp_path):
    steps = [2, 10, 999, 1000, 99_999_999]

    assert sorted(checkpoint_path(tmp_path, step) for step in steps[::-1]) == [
        checkpoint_path(tmp_path, step) for step in steps
    ]


def test_a_single_flipped_bit_anywhere_is_noticed(runs, tmp_path):
    run = runs()
    whole = run.checkpoints()[-1].read_bytes()
    path = tmp_path / "x.safetensors"
    read_back, _ = read_checkpoint(run.checkpoints()[-1], run.spec)
    places = np.random.default_rng(0).integers(0, len(whole), 150)
    unnoticed = 0
    for place in [*range(9), *places.tolist(), len(whole) - 1]:
        broken = bytearray(whole)
        broken[place] ^= 1 << (place % 8)
        path.write_bytes(broken)
        try:
            state, _ = read_checkpoint(path, run.spec)
        except RunError:
            continue
        else:  # only where nothing is said: white space after the header
            unnoticed += 1
            assert all((state[name] == value).all() for name, value in read_back.items())
    assert unnoticed <= 3


@pytest.mark.parametrize("kept", [0, 4, 8, 100, 0.5, -1])
def test_a_checkpoint_cut_short_is_refused(runs, tmp_path, kept):
    whole = runs().checkpoints()[-1].read_bytes()
    path = tmp_path / "x.safetensors"
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])

    with pytest.raises(RunError, match=r"x\.safetensors: not a checkpoint of gandem, or damaged"):
        read_checkpoint(path, runs().spec)


def test_a_checkpoint_of_another_shape_names_the_array_that_does_not_fit(runs):
    wider = load_spec("dcgan", TINY["dcgan"] | {"width": 3})

    with pytest.raises(RunError, match=r"generator/dense/kernel: the checkpoint holds \(4, 16\)"):
        read_checkpoint(runs().checkpoints()[-1], wider)


def test_a_checkpoint_of_another_spec_is_refused_even_if_all_shapes_fit(runs):
    other = load_spec("dcgan", TINY["dcgan"] | {"learning_rate": 1e-3})

    with pytest.raises(RunError, match="of another spec"):
        read_checkpoint(runs().checkpoints()[-1], other)


def test_a_checkpoint_that_is_not_there_or_is_a_folder_is_refused(runs, tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        read_checkpoint(tmp_path / "x.safetensors", runs().spec)
    (tmp_path / "y.safetensors").mkdir()
    with pytest.raises(RunError, match=r"y\.safetensors: "):
        read_checkpoint(tmp_path / "y.safetensors", runs().spec)


def test_weights_that_are_not_finite_are_not_loaded(tmp_path):
    spec = load_spec("dcgan", TINY["dcgan"])
    state = initial_state(spec, 0, "float32")
    state["generator/dense/kernel"][1, 1] = np.inf
    path = write_checkpoint(tmp_path, 1, state, spec, {})

    with pytest.raises(RunError, match="generator/dense/kernel holds numbers that are not finite"):
        read_checkpoint(path, spec)
