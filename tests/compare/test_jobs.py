"""The jobs of a comparison and its launchers; a killed job resumes from its last checkpoint.

Runs use a toy backend, whose processes import no framework.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.commands import TINY
from support.in_process import Launcher, in_process
from support.planted_backends import NONE, installed
from support.toy_backend import SLOW

from gandem.compare import Job, JobResult, Setting, execution, run_job
from gandem.compare import jobs as job_module
from gandem.compare.comparison import Comparison, plan
from gandem.compare.grid import Grid
from gandem.compare.launchers import dask as dask_launcher
from gandem.compare.launchers import load_launcher
from gandem.core.errors import BackendError, NotFoundError, RunError, SpecError
from gandem.core.runs import open_run
from gandem.core.runs.run_dir import is_locked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills as Unix does")
needs_dask = pytest.mark.skipif(find_spec("distributed") is None, reason="needs Dask")
needs_submitit = pytest.mark.skipif(find_spec("submitit") is None, reason="needs submitit")
EPOCHS = 20
"""Of three slow steps: long enough to be killed in the middle."""


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("toy"), "toy", toy=NONE):
        yield


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A file that makes steps slow, until it is deleted."""
    file = tmp_path / "slow"
    file.touch()
    monkeypatch.setenv(SLOW, str(file))
    return file


def make_comparison(folder: Path, data: str, epochs: int = 2, seeds: int = 1) -> Comparison:
    texts = tuple(f"{path}={value}" for path, value in TINY["dcgan"].items())
    grid = Grid(
        models=("dcgan",),
        backends=("test/toy",),
        seeds=tuple(range(seeds)),
        data=data,
        epochs=epochs,
        num_samples=20,
        extractor="pixels",
        parity_steps=0,
        base=Setting(texts),
    )
    return plan(folder, grid)


def make_measurement(folder: Path, *arguments: str) -> Job:
    return Job(name="a job", measure=arguments, output="output.json", threads=1, folder=str(folder))


def wait_for(condition, seconds=120.0):
    """Wait until a condition is true; return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)
    return value


def find_checkpoints(comparison: Comparison) -> list[Path]:
    """Return the checkpoints of the first cell; none before it has any."""
    run = comparison.run(comparison.cells()[0])
    return run.checkpoints() if run else []


@contextlib.contextmanager
def at_a_checkpoint(comparison: Comparison, slow: Path, action):
    """Call ``action`` when the first cell has a checkpoint; end the slow steps afterward."""
    results = []

    def wait():
        try:
            wait_for(lambda: find_checkpoints(comparison))
            results.append(action())
        finally:
            slow.unlink()

    thread = threading.Thread(target=wait)
    thread.start()
    yield results
    thread.join()


def read_reasons(comparison: Comparison) -> set[str]:
    """Return all reasons that were recorded; an empty text for a job that succeeded."""
    lines = (comparison.path / "ended.jsonl").read_text().splitlines()
    return {json.loads(line)["reason"] for line in lines}


def has_resumed(comparison: Comparison) -> bool:
    """Return True if the run of the first cell is complete and was resumed once."""
    run = comparison.run(comparison.cells()[0])
    segments = [segment.first_step for segment in run.record.segments]
    assert run.record.state == "finished"
    assert run.record.steps == run.record.steps_planned == 3 * comparison.grid.epochs
    assert comparison.read(comparison.cells()[0]).scores
    return segments[0] == 0 and len(segments) == 2 and segments[1] > 0


@pytest.fixture
def processes(monkeypatch):
    """The processes that jobs of this process start."""
    started = []

    class Seen(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr("gandem.core.process.subprocess.Popen", Seen)
    return started


# --- one job -------------------------------------------------------------------------------------


def test_a_measurement_is_written_to_its_file(tmp_path):
    assert run_job(make_measurement(tmp_path, "list", "--json")) == JobResult()

    assert {row["id"] for row in json.loads((tmp_path / "output.json").read_text())["models"]}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "dgcan"), "No model named 'dgcan'"),
        (("list",), "the measurement printed no JSON"),
        (("evaluate", "nowhere", "--json"), "nowhere"),
    ],
)
def test_a_job_that_fails_has_a_reason_and_leaves_no_file(tmp_path, arguments, reason):
    ended = run_job(make_measurement(tmp_path, *arguments))

    assert ended.code > 0
    assert reason in ended.reason
    assert "\n" not in ended.reason
    assert not (tmp_path / "output.json").exists()


def test_other_files_in_the_folder_of_a_run_are_reported_and_not_changed(tmp_path, data):
    comparison = make_comparison(tmp_path / "out", data)
    (job,), place = comparison.jobs(1), comparison.folder(comparison.cells()[0])
    (place / "checkpoints").mkdir(parents=True)
    (place / "run.json").write_text(
        '{"backend": "torch", "precision": "float32", "seed": 0, "data": {}}'
    )

    ended = run_job(job)

    assert "it has no spec.toml" in ended.reason
    assert f"Delete {place} and run" in ended.reason
    assert (place / "checkpoints").is_dir()


def test_an_output_that_cannot_be_written_is_a_reason(tmp_path):
    (tmp_path / "output.json").mkdir()

    assert run_job(make_measurement(tmp_path, "list", "--json")).reason == (
        f"{tmp_path / 'output.json'}: cannot be written (Is a directory)."
    )


def test_a_stopped_job_saves_its_step_and_resumes(tmp_path, data, slow):
    comparison, stop = make_comparison(tmp_path / "out", data, EPOCHS), threading.Event()
    (job,) = comparison.jobs(1)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(run_job(job, stop)))
    thread.start()
    wait_for(lambda: find_checkpoints(comparison))
    stop.set()
    thread.join(60)
    slow.unlink()

    assert ended[0].code == 130
    assert comparison.run(comparison.cells()[0]).record.state == "interrupted"
    assert run_job(job) == JobResult()
    assert has_resumed(comparison)


def test_a_training_stops_when_its_parent_is_killed(tmp_path, data, slow):
    comparison = make_comparison(tmp_path / "out", data, EPOCHS)
    (job,) = comparison.jobs(1)
    code = f"from gandem.compare import Job, run_job; run_job({job!r})"
    parent = subprocess.Popen([sys.executable, "-c", code])
    wait_for(lambda: find_checkpoints(comparison))
    parent.kill()
    parent.wait()

    folder = comparison.folder(comparison.cells()[0])
    wait_for(lambda: not is_locked(folder), 30)
    slow.unlink()
    assert open_run(folder).record.state == "interrupted"
    assert run_job(job) == JobResult()
    assert has_resumed(comparison)


def test_a_job_waits_for_the_lock_of_its_run(tmp_path, data, monkeypatch):
    comparison = make_comparison(tmp_path / "out", data)
    (job,) = comparison.jobs(1)
    answers = iter([True, True, False])
    monkeypatch.setattr(job_module, "is_locked", lambda place: next(answers))

    assert run_job(job) == JobResult()
    assert next(answers, None) is None


# --- launchers -----------------------------------------------------------------------------------


def test_a_killed_training_is_reported_and_resumed(tmp_path, data, processes, slow):
    comparison = make_comparison(tmp_path / "out", data, EPOCHS, seeds=2)
    launcher = load_launcher("local", 1, None, tmp_path / "l")
    with at_a_checkpoint(comparison, slow, lambda: processes[0].kill()):
        comparison.run_jobs(launcher, 1)
    launcher.close()

    first, second = comparison.cells()
    assert "killed by SIGKILL" in comparison.failures()[first.folder]
    assert comparison.state(first, comparison.failures()).name == "failed"
    assert comparison.state(second, comparison.failures()).name == "done"
    before = comparison.run(second).record

    launcher = load_launcher("local", 1, None, tmp_path / "l")
    comparison.run_jobs(launcher, 1)
    launcher.close()

    assert has_resumed(comparison)
    assert comparison.failures() == {}
    assert comparison.jobs(1) == []
    assert comparison.run(second).record == before


def test_a_comparison_is_locked_while_its_jobs_run(tmp_path, data):
    comparison = make_comparison(tmp_path / "out", data)
    refusals = []

    class Nested(Launcher):
        def submit(self, jobs):
            with pytest.raises(RunError, match="another process works on this comparison") as error:
                comparison.run_jobs(Launcher(), 1)
            refusals.append(error)
            return super().submit(jobs)

    with in_process():
        comparison.run_jobs(Nested(), 1)

    assert comparison.jobs(1) == []
    assert refusals


def test_jobs_without_a_result_are_lost(tmp_path, data):
    comparison = make_comparison(tmp_path / "out", data, seeds=2)

    class Losing(Launcher):
        def submit(self, jobs):
            killed, silent = Future(), Future()
            killed.set_exception(OSError("the machine\nis gone"))
            silent.set_result(None)
            return killed, silent

    comparison.run_jobs(Losing(), 1)

    assert [*comparison.failures().values()] == [
        "lost: OSError: the machine is gone",
        "lost: the launcher did not report how it ended",
    ]
    assert len(comparison.jobs(1)) == 2


@pytest.mark.slow
@needs_dask
def test_dask_resumes_the_job_of_a_killed_worker(tmp_path, data, slow):
    comparison = make_comparison(tmp_path / "out", data, EPOCHS)
    launcher = load_launcher("dask", 2, None, tmp_path / "launcher")

    def kill_one():
        busy = [who for who, tasks in launcher._client.processing().items() if tasks]
        for number in launcher._client.run(os.getpid, workers=busy).values():
            os.kill(number, signal.SIGKILL)
        return busy

    try:
        with at_a_checkpoint(comparison, slow, kill_one) as killed:
            comparison.run_jobs(launcher, 1)
    finally:
        launcher.close()

    assert len(killed[0]) == 1
    assert comparison.failures() == {}
    assert has_resumed(comparison)


@needs_dask
def test_dask_runs_jobs_on_a_local_cluster(tmp_path, data):
    comparison = make_comparison(tmp_path / "out", data)
    launcher = load_launcher("dask", 1, None, tmp_path / "launcher")
    comparison.run_jobs(launcher, 1)
    launcher.close()

    assert comparison.jobs(1) == []
    assert read_reasons(comparison) == {""}


@pytest.mark.slow
@needs_dask
def test_dask_runs_jobs_on_the_cluster_at_an_address(tmp_path, data):
    from dask.distributed import LocalCluster

    comparison = make_comparison(tmp_path / "out", data)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        launcher = load_launcher("dask", 1, cluster.scheduler_address, tmp_path / "launcher")
        comparison.run_jobs(launcher, 1)
        launcher.close()

    assert comparison.jobs(1) == []
    assert read_reasons(comparison) == {""}


@needs_dask
def test_closing_the_dask_launcher_stops_its_jobs(tmp_path, data, slow):
    from dask.distributed import LocalCluster

    comparison = make_comparison(tmp_path / "out", data, EPOCHS)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        launcher = load_launcher("dask", 1, cluster.scheduler_address, tmp_path / "launcher")
        with at_a_checkpoint(comparison, slow, launcher.close):
            launcher.submit(comparison.jobs(1))

    folder = comparison.folder(comparison.cells()[0])
    assert not is_locked(folder)
    assert open_run(folder).record.state == "interrupted"


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://nowhere.invalid:1"])
def test_a_missing_scheduler_is_reported_in_one_line(tmp_path, monkeypatch, address):
    monkeypatch.setattr(dask_launcher, "CONNECT_TIMEOUT", "1s")

    with pytest.raises(RunError, match="No Dask scheduler answers at") as error:
        load_launcher("dask", 1, address, tmp_path)

    assert "\n" not in str(error.value)


@needs_submitit
def test_submitit_runs_a_job(tmp_path, data):
    comparison = make_comparison(tmp_path / "out", data)
    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")
    comparison.run_jobs(launcher, 1)
    launcher.close()

    assert comparison.jobs(1) == []
    assert read_reasons(comparison) == {""}


@pytest.mark.slow
@needs_submitit
def test_a_killed_job_of_submitit_is_reported_and_resumed(tmp_path, data, slow, monkeypatch):
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)  # it waits 15 for a file
    comparison = make_comparison(tmp_path / "out", data, EPOCHS)
    psutil = pytest.importorskip("psutil")
    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")

    def kill_one():  # the number is that of a process that watches over the job's
        (worker,) = psutil.Process(int(launcher._pending[0].job_id)).children()
        worker.kill()

    with at_a_checkpoint(comparison, slow, kill_one):
        comparison.run_jobs(launcher, 1)
    launcher.close()
    (reason,) = comparison.failures().values()
    assert reason.startswith("lost: ")
    assert "\n" not in reason

    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")
    comparison.run_jobs(launcher, 1)
    launcher.close()

    assert has_resumed(comparison)
    assert comparison.failures() == {}


@needs_submitit
def test_missing_slurm_is_reported_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RunError, match="Slurm is not available here"):
        load_launcher("slurm", 1, None, tmp_path)


@needs_submitit
def test_slurm_gets_one_array_with_a_limit(tmp_path, monkeypatch):
    for name in ("sbatch", "srun"):
        executable = tmp_path / name
        executable.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/asked\necho Submitted batch job 17\n')
        executable.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    launcher = load_launcher("slurm", 3, "gpu", tmp_path / "launcher")

    jobs = launcher.submit([make_measurement(tmp_path, "list", "--json")] * 5)

    options = (tmp_path / "asked").read_text()
    assert [job.job_id for job in jobs] == [f"17_{at}" for at in range(5)]
    assert "--array=0-4%3" in options
    assert "--partition=gpu" in options


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("dask", None, marks=needs_dask),
        pytest.param("slurm", "local", marks=needs_submitit),
    ],
)
def test_a_folder_that_a_launcher_cannot_use_is_reported_in_one_line(tmp_path, name, address):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(RunError, match=r"cannot (be created|start)") as error:
        load_launcher(name, 1, address, tmp_path / "file" / "launcher")

    assert "\n" not in str(error.value)


def test_the_local_launcher_takes_no_address(tmp_path):
    with pytest.raises(SpecError, match="'local' takes no --address"):
        load_launcher("local", 1, "tcp://127.0.0.1:8786", tmp_path)


def test_an_unknown_launcher_is_refused(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match="local"):
        load_launcher("locla", 1, None, tmp_path)
    monkeypatch.setattr(
        "gandem.core.plugins.registry._missing_modules", lambda row: ["distributed"]
    )
    with pytest.raises(BackendError, match="pip install 'distributed"):
        load_launcher("dask", 1, None, tmp_path)


@pytest.mark.parametrize(
    ("threads", "memory", "cores", "expected"),
    [(1, 3 << 30, 4, 4), (2, 3 << 30, 4, 2), (8, 0, 4, 1), (1, 1 << 60, 4, 1)],
)
def test_workers_are_limited_by_cores_and_memory(monkeypatch, threads, memory, cores, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(execution, "_read_free_memory", lambda: 100 << 30)

    assert execution.count_workers(threads, memory) == expected
