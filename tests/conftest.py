"""Shared fixtures (a tiny data set, runs of tiny models), and the two tiers of tests.

`make test` runs all tests that are not marked `slow`, `make test-all` runs everything. A test that
takes more than LIMIT seconds is slow, unless its name starts with a key of LONG_BUT_FAST_TIER.
"""

import contextlib
import os
import signal

import numpy as np
import pytest

with contextlib.suppress(ImportError):
    import triton  # noqa: F401  # after TensorFlow it aborts the process (tensorflow#124205)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # by nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.environ["GANDEM_PLUGINS"] = ""  # ignore installed plugins

from support.commands import HOME, THERE, TINY

import gandem

os.fsync = lambda file: None  # tests kill processes, not machines, and disks are slow
LIMIT = 5.0
"""Seconds, on an idle machine."""
LONG_BUT_FAST_TIER = {
    "tests/backends/test_backend_": "conformance: Keras compiles each network, P3 makes 200 steps",
    "tests/optimize/": "the first test imports TensorFlow",
    "tests/parity/": "each model trains on both frameworks",
    "tests/callbacks/test_evaluation.py": "the first test imports TensorFlow",
    "tests/cli/test_cli.py::test_a_training_says": "a new process shows what TensorFlow prints",
    "tests/compare/test_interrupted.py::test_a_comparison_resumes": "interrupts real processes",
    "tests/data/test_framework_data.py": "starts the fork servers that the other tests share",
    "tests/docs/test_docs.py::test_the_python_of_the_readme": "runs all of the README's Python",
    "tests/exporters/test_keras_formats.py": "the first test imports TensorFlow",
    "tests/metrics/": "the first test imports TensorFlow or torchmetrics",
    "tests/runs/test_checkpoints.py": "the first test imports TensorFlow",
    "tests/runs/test_interrupt.py::test_ctrl_c_in_the_terminal": "interrupts real processes",
    "tests/runs/test_kill.py": "starts the fork server that the other tests share",
    "tests/runs/test_resume.py": "trains and resumes on both frameworks",
    "tests/training/test_modes.py": "the first test imports TensorFlow",
}
"""Tests of the fast tier that take longer, by the start of their node ids, with reasons."""


def pytest_terminal_summary(terminalreporter, config):
    """Report slow tests of the fast tier; this is no error, since machines differ."""
    long = [
        f"{report.duration:6.1f} s  {report.nodeid}"
        for report in terminalreporter.stats.get("passed", [])
        if report.duration > LIMIT
        and "slow" not in report.keywords
        and not report.nodeid.startswith(tuple(LONG_BUT_FAST_TIER))
    ]
    if long:
        terminalreporter.section(f"more than {LIMIT:g} s and not marked slow")
        terminalreporter.write_line("\n".join(sorted(long, reverse=True)))


@pytest.fixture(scope="session", autouse=True)
def cache_of_tests(tmp_path_factory):
    """Use a separate cache for the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANDEM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """40 images of 8×8 in three classes: three batches of 16 an epoch, the last one partial."""
    path = tmp_path_factory.mktemp("data") / "tiny.npz"
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    np.savez(path, images=images, labels=np.arange(40) % 3)
    return f"npz:{path}"


@pytest.fixture(scope="session")
def runs(tmp_path_factory, data):
    """Return a function that trains a tiny model for two epochs, once for all tests."""
    cache = {}

    def trained(model="dcgan", backend=HOME, precision="float32", **changes):
        if backend not in THERE:
            pytest.skip(f"{backend} is not installed")
        key = (model, backend, precision, *changes.items())
        if key not in cache:
            cache[key] = gandem.train(
                model,
                backend=backend,
                precision=precision,
                data=data,
                epochs=2,
                seed=3,
                log_every=2,
                changes=TINY[model] | changes,
                out=tmp_path_factory.mktemp("runs") / "run",
            )
        return cache[key]

    return trained


@pytest.fixture(scope="session")
def run(runs):
    """The folder of a tiny dcgan."""
    return runs().path


@pytest.fixture(scope="session")
def conditional(runs):
    """The folder of a tiny cgan, of three classes."""
    return runs("cgan").path
