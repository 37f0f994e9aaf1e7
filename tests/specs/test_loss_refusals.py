"""A loss that does not exist is refused by every command that loads a spec, before the data."""

import pytest
from support.commands import refused

from gandem.core.specs import load_spec, to_toml

COMMANDS = {
    "show": (),
    "train": ("--data", "npz:nowhere.npz", "--out", "run"),
    "profile": ("--data", "npz:nowhere.npz"),
    "parity": ("--data", "npz:nowhere.npz"),
    "compare": ("--data", "npz:nowhere.npz", "--out", "comparison"),
}
LINE = "No loss named 'hinged'. Did you mean 'hinge'?"


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_loss_of_a_model_is_refused_before_the_data(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    line = refused(command, "mlp-gan", "--set", "loss.name=hinged", *COMMANDS[command])

    assert line.endswith(LINE)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_loss_of_a_spec_file_is_refused_before_the_data(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = to_toml(load_spec("mlp-gan")).replace('name = "non-saturating"', 'name = "hinged"')
    (tmp_path / "spec.toml").write_text(text)
    size = ("--size", "full") if command == "parity" else ()

    line = refused(command, "spec.toml", *COMMANDS[command], *size)

    assert line.endswith(LINE)
    assert [path.name for path in tmp_path.iterdir()] == ["spec.toml"]
