"""Messages of errors have a limited length, whatever they quote."""

import numpy as np
import pytest
from support.commands import refused

from gandem.core.errors import GandemError, RunError
from gandem.core.plugins.entry import parse_entries

LIMIT = 1010


def test_long_message_keeps_its_beginning_and_its_end():
    error = RunError("run/run.json: " + "x" * 10_000 + ": it is damaged.")

    assert len(str(error)) < LIMIT
    assert str(error).startswith("run/run.json: xxx")
    assert str(error).endswith("xxx: it is damaged.")


def test_short_message_is_whole():
    assert str(RunError("x" * 1000)) == "x" * 1000


@pytest.mark.parametrize("text", ["[['{0}']]\nid = 1", "[[models]]\nid = 'x'\n'{0}' = 1", "'{0}"])
def test_error_of_a_registry_file_with_a_long_name_is_short(text):
    with pytest.raises(GandemError) as caught:
        parse_entries("schema = 1\n" + text.format("x" * 5000))

    assert len(str(caught.value)) < LIMIT


def test_error_of_an_npz_file_with_long_names_is_short(tmp_path):
    np.savez(tmp_path / "long.npz", **{f"{n}{'x' * 3000}": np.zeros(1) for n in "abcdefgh"})

    assert len(refused("data", f"npz:{tmp_path / 'long.npz'}")) < LIMIT
