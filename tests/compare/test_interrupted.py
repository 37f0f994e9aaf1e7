"""Ctrl-C during a comparison: the first lets each run save its step, the second leaves at once."""

import json
import os
import signal
import subprocess
import time

import pytest
from support.commands import TINY, command, process
from support.planted_backends import NONE, installed
from support.toy_backend import BEGUN, SLOW

from gandem.compare import open_comparison
from gandem.compare.report.progress_table import STOPPING
from gandem.core.runs.run_dir import is_locked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="interrupts as Unix does")
ENOUGH = ("--epochs=20", "--num-samples=20", "--extractor=pixels", "--seeds=1", "--workers=1")


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("toy"), "toy", toy=NONE):
        yield


@pytest.fixture
def start(tmp_path, data, monkeypatch):
    """Start a comparison with slow steps; return its process, its arguments and the slow file."""
    slow = tmp_path / "slow"
    monkeypatch.setenv(SLOW, str(slow))
    sizes = [f"--set={path}={value}" for path, value in TINY["dcgan"].items() if path != "latent"]
    asked = ("compare", "dcgan", "--backends=test/toy", *ENOUGH, *sizes, f"--data={data}")
    asked += ("--sweep=latent=4,5", "--out=out")

    def begin(delay):
        slow.write_text(delay)
        pipe = subprocess.PIPE
        options = {"cwd": tmp_path, "stdout": pipe, "stderr": pipe, "text": True}
        process = subprocess.Popen(command(*asked), **options, start_new_session=True)
        return process, asked, slow

    return begin


def wait_for(condition):
    """Wait until a condition is true."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.02)


def test_a_comparison_resumes_after_ctrl_c(tmp_path, start):
    going, asked, slow = start("0.25")
    wait_for(lambda: [*tmp_path.glob("out/cells/*/checkpoints/*")])
    os.killpg(going.pid, signal.SIGINT)
    printed, complaint = going.communicate(timeout=120)
    slow.unlink()

    assert (going.returncode, printed) == (130, "")
    assert complaint == f"{STOPPING}Interrupted. Run the same command again to resume.\n"
    comparison = open_comparison(tmp_path / "out")
    (first, _) = comparison.cells()
    assert comparison.state(first, comparison.failures()).name == "interrupted"

    done = process(*asked, "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert {cell["state"] for cell in json.loads(done.stdout)["cells"]} == {"done"}
    assert len(comparison.run(first).record.segments) == 2


@pytest.mark.slow
def test_second_ctrl_c_leaves_at_once_and_the_run_saves_its_step(tmp_path, start):
    going, _, slow = start("4")
    wait_for(slow.with_name(f"{slow.name}{BEGUN}").exists)  # else the first one ends all at once
    os.killpg(going.pid, signal.SIGINT)
    assert going.stderr.readline() == STOPPING
    begun = time.monotonic()
    os.killpg(going.pid, signal.SIGINT)
    printed, complaint = going.communicate(timeout=60)

    assert (going.returncode, printed, complaint) == (130, "", "Interrupted.\n")
    assert time.monotonic() - begun < 2
    comparison = open_comparison(tmp_path / "out")
    (first, _) = comparison.cells()
    wait_for(lambda: not is_locked(comparison.folder(first)))
    assert comparison.run(first).record.state == "interrupted"
    assert comparison.run(first).checkpoints()
