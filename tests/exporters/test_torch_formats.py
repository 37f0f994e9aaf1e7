"""Exports for PyTorch and ONNX compute what gandem computes, without gandem."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support.commands import THERE, TINY

if "torch" not in THERE:
    pytest.skip("needs torch", allow_module_level=True)
import torch

from gandem.backends.torch.network import Network
from gandem.core.errors import SpecError
from gandem.core.export import ExportNetwork, export_runs
from gandem.core.specs import LAYERS, Layer
from gandem.exporters.torch.code import express
from gandem.exporters.torch.source import build_module, write_source
from gandem.testing import CASES, make_run


@pytest.fixture(scope="module")
def run():
    return make_run("cgan", **TINY["cgan"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_network_of_the_conformance_suite_is_the_same_as_code(run, case):
    if "fade_in" in case.plan.inputs:
        pytest.skip("networks have no fade-in weight after training")
    network = ExportNetwork(
        name="case",
        spec=run.spec,
        player="network",
        plan=case.plan,
        arrays=case.arrays(),
        facts={"model": "case"},
        labels="weights",
    )
    native = Network(case.plan, channels_last=True).double()
    native.load_arrays(case.arrays())
    module = build_module(network).double()
    module.load_state_dict({n: torch.tensor(v.copy()) for n, v in write_source(network)[1].items()})
    inputs = native.from_numpy(case.values(), torch.device("cpu"))

    with torch.no_grad():
        expected = native.eval()(*inputs)
        received = module(*inputs)

    # the fixed numbers of a network without weights are float32
    limit = (1e-12 if case.arrays() else 1e-7) * max(1.0, float(expected.abs().max()))
    assert received.shape == expected.shape
    assert float((received - expected).abs().max()) <= limit


def test_the_cases_have_every_layer():
    kinds = {node.layer.kind for case in CASES for node in case.plan.walk()}

    assert set(LAYERS) <= kinds


@pytest.mark.slow
def test_a_module_runs_without_gandem_and_takes_labels_in_both_forms(run, tmp_path):
    export_runs([run], "torch-source", tmp_path / "model")
    code = (
        "import sys, torch; from model import load; network = load();"
        "noise = torch.ones(3, 4); label = torch.arange(3);"
        "one, two = network(noise, label), network(noise, torch.eye(3));"
        "assert torch.equal(one, two) and not torch.equal(one[0], one[1]);"
        "assert not [name for name in sys.modules if name.startswith('gandem')];"
        "print(tuple(one.shape))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "model", capture_output=True, text=True
    )

    assert (done.stdout, done.stderr) == ("(3, 1, 8, 8)\n", "")


@pytest.mark.parametrize("labels", ["integers", "weights"])
def test_a_program_takes_any_batch(run, tmp_path, labels):
    path = tmp_path / "network.pt2"

    export = export_runs([run], "torch", path, labels=labels)

    assert export.difference <= 1e-6
    (description,) = export.description["networks"]
    dtypes = {"integers": "int64", "weights": "float32"}
    assert description["inputs"][1]["dtype"] == dtypes[labels]


def test_a_batch_that_is_divided_into_groups_is_refused(tmp_path):
    run = make_run("progan")

    with pytest.raises(SpecError, match=r"^discriminator/\S+: the groups of minibatch_stddev"):
        export_runs([run], "torch", tmp_path / "a.pt2", player="discriminator")


def test_a_layer_without_an_expression_is_refused():
    class New(Layer):
        kind = "new"

    node = SimpleNamespace(path="generator/new")

    with pytest.raises(SpecError, match=r"^generator/new: PyTorch code cannot express the layer"):
        express(New(), node, "x", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("player", "options"),
    [
        ("generator", {}),
        ("generator", {"pixels": "uint8", "labels": "weights"}),
        ("discriminator", {}),
    ],
)
def test_an_onnx_graph_has_names_types_and_facts(run, tmp_path, player, options):
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "network.onnx"

    export = export_runs([run], "onnx", path, player=player, **options)

    session = ort.InferenceSession(path)
    expected_inputs = ["noise", "label"] if player == "generator" else ["image", "label"]
    assert [port.name for port in session.get_inputs()] == expected_inputs
    (output,) = session.get_outputs()
    is_bytes = options.get("pixels") == "uint8"
    assert output.name == ("image" if player == "generator" else "logits")
    assert output.type == ("tensor(uint8)" if is_bytes else "tensor(float)")
    assert export.difference <= (1 if is_bytes else 1e-5)
    model = onnx.load(path)
    assert [item.version for item in model.opset_import if not item.domain] == [18]
    facts = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(facts["gandem"])["player"] == player


@pytest.mark.slow
@pytest.mark.parametrize("format", ["torch", "onnx"])
def test_the_largest_models_are_exported(tmp_path, format):
    for model in ("stylegan2", "biggan"):
        path = tmp_path / f"{model}{'.pt2' if format == 'torch' else '.onnx'}"
        export_runs([make_run(model)], format, path)

        assert path.is_file()
