"""Export: the file is compared with the run, and nothing is left of one that fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from support.commands import HOME, TINY, needs_a_backend, refused, said

import gandem
from gandem.core.errors import RunError, SpecError
from gandem.core.export import Exporter, export_runs
from gandem.core.export.network import name_networks
from gandem.core.plugins import registry
from gandem.core.training.state import STAGE
from gandem.testing import make_run

pytestmark = needs_a_backend


class Arrays(Exporter):
    """A format that holds what a test wants."""

    suffix = ".npz"
    tolerance = 1e-6
    takes_several = True
    change = 0.0

    def write(self, path, *networks):
        arrays = {f"{n.name}:{key}": a for n in networks for key, a in n.arrays.items()}
        np.savez(path, **arrays)

    def load(self, path, network):
        prefix = f"{network.name}:"
        with np.load(path) as file:
            return {key: file[prefix + key] + np.float32(self.change) for key in network.arrays}


@pytest.fixture
def arrays(monkeypatch):
    """Make ``Arrays`` the exporter of any format."""
    monkeypatch.setattr("gandem.core.export.export.load_exporter", lambda name: Arrays())
    return monkeypatch


@pytest.fixture(scope="module")
def untrained():
    return make_run("cgan", HOME, **TINY["cgan"] | {"training.ema_decay": 0.9})


# --- the command ---------------------------------------------------------------------------------


def test_the_command_writes_weights_and_facts(conditional, tmp_path):
    out = tmp_path / "weights.safetensors"

    text = said("export", conditional, "--format", "safetensors", "-o", out, "--json")

    data = json.loads(text)
    (network,) = json.loads((tmp_path / "weights.safetensors.json").read_text())["networks"]
    assert data["networks"] == [network]
    assert network["verification"]["difference"] == 0
    assert [port["name"] for port in network["inputs"]] == ["noise", "label"]
    assert network["output"]["shape"] == ["N", 8, 8, 1]
    state = gandem.open_run(conditional).state()
    written = load_file(out)
    assert {name for name in state if name.startswith("generator/")} == set(written)
    assert all(np.array_equal(value, state[name]) for name, value in written.items())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--format", "safetensor"], "No exporter named 'safetensor'. Did you mean 'safetensors'?"),
        (["--format", "safetensors", "--player", "critic"], "critic"),
        (["--format", "safetensors", "--checkpoint", "7"], "it has no checkpoint 7"),
        (["--format", "safetensors", "--labels", "weights"], "has 'integers'; received 'weights'"),
        (["--format", "safetensors", "-o", "a.onnx"], "a name that ends in .safetensors."),
        (["--format", "safetensors", "-o", "none/a.safetensors"], "there is no folder none."),
    ],
)
def test_a_wrong_option_is_one_line_and_writes_nothing(run, tmp_path, monkeypatch, options, line):
    monkeypatch.chdir(tmp_path)

    assert line in refused("export", run, *options)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_names_the_extra(run, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "_can_import", lambda name: name != "onnxruntime")

    line = refused("export", run, "--format", "onnx", "-o", tmp_path / "a.onnx")

    assert line.startswith("Exporter 'onnx' is not installed (onnxruntime missing). Install it")


def test_a_folder_that_is_not_empty_is_kept(run, tmp_path):
    (tmp_path / "mine").write_text("")

    line = refused("export", run, "--format", "torch-source", "-o", tmp_path)

    assert line.endswith("it is not an empty folder; choose a new one.")


def test_a_run_without_checkpoint_is_refused(run, tmp_path):
    (tmp_path / "new").mkdir()
    for name in ("run.json", "spec.toml"):
        (tmp_path / "new" / name).write_bytes((run / name).read_bytes())

    line = refused("export", tmp_path / "new", "--format", "safetensors")

    assert line.endswith("it has no checkpoint yet.")


# --- verification --------------------------------------------------------------------------------


def test_a_file_that_differs_is_not_kept(arrays, untrained, tmp_path):
    arrays.setattr(Arrays, "change", 1e-2)

    with pytest.raises(RunError, match=r"differs from the run by .*no file was written"):
        export_runs([untrained], "arrays", tmp_path / "a.npz")

    assert list(tmp_path.iterdir()) == []


def test_averaged_weights_are_exported_unless_they_are_declined(arrays, untrained, tmp_path):
    results = {}
    for ema in (True, False):
        export = export_runs([untrained], "arrays", tmp_path / "a.npz", ema=ema)
        results[export.description["networks"][0]["weights"]] = export.difference

    assert results == {"average": 0, "last": 0}
    name = "generator/conv2d/kernel"
    with np.load(tmp_path / "a.npz") as file:
        assert np.array_equal(file[f"cgan:{name}"], untrained.state[name])


def test_several_runs_have_names_of_their_own(arrays, untrained, tmp_path):
    export = export_runs([untrained, untrained], "arrays", tmp_path / "a.npz")

    assert [network["name"] for network in export.description["networks"]] == ["cgan", "cgan-2"]


def test_a_number_never_makes_a_name_that_another_run_has(untrained):
    runs = [replace(untrained, path=Path(name)) for name in ("a/x-2", "a/x", "b/x", "b/x-2", "x-y")]

    assert name_networks(runs) == ["x-2", "x", "x-3", "x-2-2", "x-y"]


def test_a_model_of_the_hub_is_named_like_its_repository(untrained):
    path = Path("cache/models--ada--digits/snapshots/0123abcd")

    assert name_networks([replace(untrained, path=path)]) == ["digits"]


def test_an_export_of_no_runs_is_refused_and_writes_nothing(arrays, tmp_path):
    with pytest.raises(SpecError, match="runs: expected at least one run"):
        export_runs([], "arrays", tmp_path / "a.npz")

    assert list(tmp_path.iterdir()) == []


def test_a_format_of_one_run_refuses_two(untrained, tmp_path):
    with pytest.raises(SpecError, match="the network of one run; received 2"):
        export_runs([untrained] * 2, "safetensors", tmp_path / "a.safetensors")


def test_a_failed_format_leaves_nothing(arrays, untrained, tmp_path):
    def fail(exporter, path, *networks):
        path.write_text("half")
        raise RuntimeError("no")

    arrays.setattr(Arrays, "write", fail)

    with pytest.raises(RuntimeError):
        export_runs([untrained], "arrays", tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_tolerance_of_an_unstable_network_is_its_baseline(arrays, tmp_path):
    """PixelNorm magnifies the rounding of small numbers, here that of a float32 run."""
    spread = make_run("msg-gan", HOME, image=[8, 8, 1], latent=4, width=2)
    arrays.setattr(Arrays, "tolerance", 1e-12)
    arrays.setattr(Arrays, "change", 1e-9)

    export = export_runs([spread], "arrays", tmp_path / "a.npz")

    verification = export.description["networks"][0]["verification"]
    assert 1e-12 < verification["difference"] <= verification["tolerance"] < 1e-3


def test_a_training_in_its_first_stages_is_refused(tmp_path):
    run = make_run("progan", HOME)
    early = replace(run, state=run.state | {STAGE: np.float32(0)})

    with pytest.raises(RunError, match="in stage 1 of"):
        export_runs([early], "safetensors", tmp_path / "a.safetensors")


def test_weights_that_are_not_finite_are_refused(untrained, tmp_path):
    name = "generator/conv2d/bias"
    broken = replace(untrained, state=untrained.state | {name: np.full(1, np.nan, np.float32)})

    with pytest.raises(RunError, match=f"{name} has numbers that are not finite"):
        export_runs([broken], "safetensors", tmp_path / "a.safetensors", ema=False)


def test_points_cannot_be_bytes(arrays, tmp_path):
    arrays.setattr(Arrays, "pixels", ("float32", "uint8"))
    points = make_run("point-gan", HOME, image=2)

    with pytest.raises(SpecError, match="Only images can be written as uint8"):
        export_runs([points], "arrays", tmp_path / "a.npz", pixels="uint8")
    assert export_runs([points], "arrays", tmp_path / "a.npz").difference == 0
