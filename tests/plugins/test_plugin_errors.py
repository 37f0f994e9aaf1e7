"""Errors in the code of plugins: one line that names the plugin, whatever kind of entry fails."""

from textwrap import dedent

import pytest
from support.commands import TINY, gandem, refused

PLUGIN = """
import gandem
from gandem import Entry, hookimpl

@hookimpl
def gandem_losses():
    return [Entry(id=f"acme/{name.lower()}", target=f"acme_gan:{name}")
            for name in ("Log", "Framework")]

@hookimpl
def gandem_backends():
    return [Entry(id="acme/toy", target="acme_gan:toy"),
            Entry(id="acme/weak", target="acme_gan:weak"),
            Entry(id="acme/exits", target="acme_gan:exits")]

@hookimpl
def gandem_datasets():
    return [Entry(id="acme/data", target="acme_gan:data")]

class Log:
    smoothable = False
    def real(self, ops, logits, target):
        return ops.mean(ops.softplus(-logits))
    def fake(self, ops, logits):
        return -ops.mean(ops.log(1 - logits))
    def generator(self, ops, logits):
        return ops.mean(logits)

class Framework(Log):
    def fake(self, ops, logits):
        return logits.abs().mean()

def toy():
    from support.toy_backend import Toy
    return Toy()

class weak:
    capabilities, known_failures = ("float64", "resume"), {}
    def versions(self): return {"weak": "1.0"}
    def devices(self): return ["cpu"]
    differentiate = gradient = optimize = None
    def engine(self, spec, loss, state, **options):
        return {}["no such\\nlayer"]

def exits():
    raise SystemExit(0)

def data(argument, data_dir):
    raise ZeroDivisionError("no images")
"""


@pytest.fixture(autouse=True)
def acme(tmp_path, installed_plugins):
    folder = tmp_path / "site"
    info = folder / "acme_gan-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "acme_gan.py").write_text(dedent(PLUGIN))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-gans\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gandem]\nacme = acme_gan\n")
    with installed_plugins(folder, names=["acme"]):
        yield


def training(out, data, *, loss="non-saturating", backend="acme/toy") -> list[object]:
    sizes = [f"--set={path}={value}" for path, value in TINY["dcgan"].items()]
    options = ["--backend", backend, "--data", data, "--steps", 2, "--out", out]
    return ["train", "dcgan", *sizes, f"--set=loss.name={loss}", *options]


def test_loss_that_calls_an_unknown_function_is_refused_with_the_functions(tmp_path, data):
    words = refused(*training(tmp_path / "run", data, loss="acme/log"))

    assert words == (
        "The loss 'acme/log' of acme-gans calls ops.log, which does not exist. The functions are: "
        "batch_mean, channel_mean, column_products, cross_entropy, gram, image_mean, join, mean, "
        "pack, positive, ranks, relu, softplus, sqrt, square, sum_rows, warp."
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "acme/weak"}, r"of acme_gan: KeyError: 'no such\nlayer'"),
        ({"backend": "acme/exits"}, "of acme_gan: SystemExit: 0"),
        ({"data": "acme/data"}, "of acme_gan: ZeroDivisionError: no images"),
        ({"loss": "acme/framework"}, "of acme_gan: AttributeError: 'numpy.ndarray' object has no"),
    ],
)
def test_error_in_the_code_of_a_plugin_is_one_line_that_names_it(
    tmp_path, data, options, words, monkeypatch
):
    monkeypatch.delenv("GANDEM_TRACE", raising=False)

    line = refused(*training(tmp_path / "run", **{"data": data} | options))

    assert line.startswith("The plugin acme-gans failed in line ")
    assert words in line
    assert line.endswith("GANDEM_TRACE=1 shows the traceback.")


def test_traceback_of_a_plugin_is_shown_on_demand(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_TRACE", "1")

    done = gandem(*training(tmp_path / "run", "acme/data"))

    assert isinstance(done.exception, ZeroDivisionError)
