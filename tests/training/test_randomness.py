"""Random numbers depend on their address, (seed, purpose, step, part), and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gandem.core.rng import Purpose, dropout_keep, dropout_levels, fingerprint, part_of, stream

ADDRESS = {"seed": 7, "purpose": Purpose.NOISE, "step": 5, "part": 3}


def draws(**changes) -> np.ndarray:
    return stream(**(ADDRESS | changes)).normal(size=100)


def test_equal_addresses_give_equal_numbers():
    np.testing.assert_array_equal(draws(), draws())


@pytest.mark.parametrize(
    "change",
    [{"seed": 8}, {"purpose": Purpose.LABELS}, {"step": 6}, {"part": 4}, {"step": 3, "part": 5}],
    ids=str,
)
def test_another_address_gives_other_numbers(change):
    assert not np.any(draws() == draws(**change))


def test_a_long_draw_does_not_run_into_the_next_step():
    long = stream(7, Purpose.NOISE, 5).integers(2**63, size=50_000)
    after = stream(7, Purpose.NOISE, 6).integers(2**63, size=50_000)

    assert not np.intersect1d(long, after).size


@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_the_smallest_and_the_largest_seed_work(seed):
    assert np.isfinite(draws(seed=seed)).all()


def test_the_largest_step_and_part_work():
    assert np.isfinite(draws(step=2**64 - 1, part=2**64 - 1)).all()


def test_numbers_of_a_purpose_are_part_of_the_format_of_a_run():
    assert {p.name: p.value for p in Purpose} == {
        "WEIGHTS": 1,
        "ORDER": 2,
        "NOISE": 3,
        "LABELS": 4,
        "LAYERS": 5,
        "MIXING": 6,
        "SAMPLES": 7,
        "BASELINE": 8,
        "AUGMENT": 9,
        "INSTANCE_NOISE": 10,
        "FLIP": 11,
        "ACCURACY": 12,
        "POINTS": 13,
        "METRICS": 14,
    }


def test_the_bits_of_a_stream_never_change():
    """Philox's bits are fixed for ever; what NumPy makes of them, the fingerprint watches."""
    bits = stream(1, Purpose.ORDER, 2, 3).bit_generator.random_raw(3)

    assert bits.tolist() == [7594447830096956662, 17840473206221988626, 5444040138555839450]


def test_a_part_is_a_63_bit_number_of_the_name():
    assert part_of("generator/dense/kernel") == 5708296589451848768


def test_a_part_fits_a_counter_word():
    assert all(0 <= part_of(str(i)) < 2**63 for i in range(100))


@pytest.mark.parametrize(
    ("rate", "levels"), [(0, 0), (0.001, 0), (0.002, 1), (0.3, 77), (0.5, 128), (255 / 256, 255)]
)
def test_a_rate_is_kept_to_a_256th(rate, levels):
    assert dropout_levels(rate) == levels


@given(st.floats(0, 255 / 256))
def test_the_kept_rate_is_at_most_half_a_256th_off(rate):
    assert abs(dropout_levels(rate) / 256 - rate) <= 1 / 512


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_mask_drops_the_share_it_says(rate):
    mask = dropout_keep(stream(1, Purpose.LAYERS), (1000, 100), rate)

    # the deviation of a share of 100,000 is below 0.0016
    assert 1 - mask.mean() == pytest.approx(dropout_levels(rate) / 256, abs=0.008)


def test_a_mask_of_rate_0_keeps_everything():
    assert dropout_keep(stream(1, Purpose.LAYERS), (1000,), 0.0).all()


def test_a_mask_has_the_shape_asked_for():
    mask = dropout_keep(stream(1, Purpose.LAYERS), (2, 3, 4), 0.5)

    assert (mask.shape, mask.dtype) == ((2, 3, 4), np.bool_)


def test_a_mask_for_no_rows_is_empty():
    assert dropout_keep(stream(1, Purpose.LAYERS), (0, 4), 0.5).shape == (0, 4)


def test_the_fingerprint_is_that_of_the_numpy_that_gandem_was_made_with():
    """Where this fails, NumPy draws other normal numbers from the same bits: say so in the notes,
    and expect every trajectory to be another.
    """
    assert fingerprint() == "3f344383594326e1"
