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

from gandem.compare import Ended, Job, Setting, execution, run_job
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


def comparison(folder: Path, data: str, epochs: int = 2, seeds: int = 1) -> Comparison:
    texts = tuple(f"{path}={value}" for path, value in TINY["dcgan"].items())
    grid = Grid(
        models=("dcgan",),
        backends=("test/toy",),
        seeds=tuple(range(seeds)),
        data=data,
        epochs=epochs,
        count=20,
        extractor="pixels",
        path_steps=0,
        base=Setting(texts),
    )
    return plan(folder, grid)


def measurement(folder: Path, *arguments: str) -> Job:
    return Job(name="a job", measure=arguments, output="there.json", threads=1, folder=str(folder))


def until(what, seconds=120.0):
    """Wait until something is so, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it never was"
        time.sleep(0.01)
    return found


def kept(there: Comparison) -> list[Path]:
    """Return the checkpoints of the first cell, as soon as there are any."""
    run = there.run(there.cells()[0])
    return run.checkpoints() if run else []


@contextlib.contextmanager
def at_a_checkpoint(there: Comparison, slow: Path, deed):
    """Do something as soon as the first cell has a checkpoint, and end slow steps afterward."""
    done = []

    def wait():
        try:
            until(lambda: kept(there))
            done.append(deed())
        finally:
            slow.unlink()

    thread = threading.Thread(target=wait)
    thread.start()
    yield done
    thread.join()


def reasons(there: Comparison) -> set[str]:
    """Return why jobs ended, also of those that were done after all; empty where nothing failed."""
    lines = (there.path / "ended.jsonl").read_text().splitlines()
    return {json.loads(line)["reason"] for line in lines}


def went_on(there: Comparison) -> bool:
    """Return whether the first cell's training is whole, and was not begun anew."""
    run = there.run(there.cells()[0])
    segments = [segment.first_step for segment in run.record.segments]
    assert run.record.state == "finished"
    assert run.record.steps == run.record.steps_planned == 3 * there.grid.epochs
    assert there.scores(there.cells()[0])
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


def test_a_measurement_is_kept_in_its_file(tmp_path):
    assert run_job(measurement(tmp_path, "list", "--json")) == Ended()

    assert {row["id"] for row in json.loads((tmp_path / "there.json").read_text())["models"]}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("show", "dgcan"), "No model named 'dgcan'"),
        (("list",), "the measurement printed no JSON"),
        (("evaluate", "nowhere", "--json"), "nowhere"),
    ],
)
def test_a_job_that_fails_has_a_reason_and_leaves_no_file(tmp_path, arguments, reason):
    ended = run_job(measurement(tmp_path, *arguments))

    assert ended.code > 0
    assert reason in ended.reason
    assert "\n" not in ended.reason
    assert not (tmp_path / "there.json").exists()


def test_what_lies_in_a_run_s_place_is_named_and_left_alone(tmp_path, data):
    there = comparison(tmp_path / "out", data)
    (job,), place = there.jobs(1), there.folder(there.cells()[0])
    (place / "checkpoints").mkdir(parents=True)
    (place / "run.json").write_text(
        '{"backend": "torch", "precision": "float32", "seed": 0, "data": {}}'
    )

    ended = run_job(job)

    assert "it has no spec.toml" in ended.reason
    assert f"Delete {place} and run" in ended.reason
    assert (place / "checkpoints").is_dir()


def test_a_measurement_that_cannot_be_kept_says_so(tmp_path):
    (tmp_path / "there.json").mkdir()

    assert run_job(measurement(tmp_path, "list", "--json")).reason == (
        f"{tmp_path / 'there.json'}: cannot be written (Is a directory)."
    )


def test_a_job_asked_to_stop_keeps_its_step_and_is_gone_on_with(tmp_path, data, slow):
    there, stop = comparison(tmp_path / "out", data, EPOCHS), threading.Event()
    (job,) = there.jobs(1)
    ended = []
    thread = threading.Thread(target=lambda: ended.append(run_job(job, stop)))
    thread.start()
    until(lambda: kept(there))
    stop.set()
    thread.join(60)
    slow.unlink()

    assert ended[0].code == 130
    assert there.run(there.cells()[0]).record.state == "interrupted"
    assert run_job(job) == Ended()
    assert went_on(there)


def test_a_training_ends_with_the_process_that_began_it(tmp_path, data, slow):
    there = comparison(tmp_path / "out", data, EPOCHS)
    (job,) = there.jobs(1)
    code = f"from gandem.compare import Job, run_job; run_job({job!r})"
    parent = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: kept(there))
    parent.kill()
    parent.wait()

    folder = there.folder(there.cells()[0])
    until(lambda: not is_locked(folder), 30)
    slow.unlink()
    assert open_run(folder).record.state == "interrupted"
    assert run_job(job) == Ended()
    assert went_on(there)


def test_a_job_waits_for_one_that_is_about_to_stop(tmp_path, data, monkeypatch):
    there = comparison(tmp_path / "out", data)
    (job,) = there.jobs(1)
    answers = iter([True, True, False])
    monkeypatch.setattr(job_module, "is_locked", lambda place: next(answers))

    assert run_job(job) == Ended()
    assert next(answers, None) is None


# --- whoever runs them ---------------------------------------------------------------------------


def test_a_killed_training_is_a_row_and_the_next_start_goes_on_with_it(
    tmp_path, data, processes, slow
):
    there = comparison(tmp_path / "out", data, EPOCHS, seeds=2)
    launcher = load_launcher("local", 1, None, tmp_path / "l")
    with at_a_checkpoint(there, slow, lambda: processes[0].kill()):
        there.work(launcher, 1)
    launcher.close()

    first, second = there.cells()
    assert "killed by SIGKILL" in there.ended()[first.folder]
    assert there.state(first, there.ended()).words == "failed"
    assert there.state(second, there.ended()).words == "done"
    before = there.run(second).record

    launcher = load_launcher("local", 1, None, tmp_path / "l")
    there.work(launcher, 1)
    launcher.close()

    assert went_on(there)
    assert there.ended() == {}
    assert there.jobs(1) == []
    assert there.run(second).record == before


def test_nobody_else_works_on_a_comparison_meanwhile(tmp_path, data):
    there = comparison(tmp_path / "out", data)
    refusals = []

    class Twice(Launcher):
        def submit(self, jobs):
            with pytest.raises(RunError, match="another process works on this comparison") as error:
                there.work(Launcher(), 1)
            refusals.append(error)
            return super().submit(jobs)

    with in_process():
        there.work(Twice(), 1)

    assert there.jobs(1) == []
    assert refusals


def test_jobs_whose_launcher_cannot_say_how_they_ended_are_lost(tmp_path, data):
    there = comparison(tmp_path / "out", data, seeds=2)

    class Losing(Launcher):
        def submit(self, jobs):
            killed, silent = Future(), Future()
            killed.set_exception(OSError("the machine\nis gone"))
            silent.set_result(None)
            return killed, silent

    there.work(Losing(), 1)

    assert [*there.ended().values()] == [
        "lost: OSError: the machine is gone",
        "lost: the launcher did not report how it ended",
    ]
    assert len(there.jobs(1)) == 2


@pytest.mark.slow
@needs_dask
def test_dask_goes_on_with_the_job_of_a_killed_worker(tmp_path, data, slow):
    there = comparison(tmp_path / "out", data, EPOCHS)
    launcher = load_launcher("dask", 2, None, tmp_path / "launcher")

    def kill_one():
        busy = [who for who, tasks in launcher._client.processing().items() if tasks]
        for number in launcher._client.run(os.getpid, workers=busy).values():
            os.kill(number, signal.SIGKILL)
        return busy

    try:
        with at_a_checkpoint(there, slow, kill_one) as killed:
            there.work(launcher, 1)
    finally:
        launcher.close()

    assert len(killed[0]) == 1
    assert there.ended() == {}
    assert went_on(there)


@needs_dask
def test_dask_does_the_jobs_on_a_cluster_of_its_own(tmp_path, data):
    there = comparison(tmp_path / "out", data)
    launcher = load_launcher("dask", 1, None, tmp_path / "launcher")
    there.work(launcher, 1)
    launcher.close()

    assert there.jobs(1) == []
    assert reasons(there) == {""}


@pytest.mark.slow
@needs_dask
def test_dask_is_found_at_its_address(tmp_path, data):
    from dask.distributed import LocalCluster

    there = comparison(tmp_path / "out", data)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        launcher = load_launcher("dask", 1, cluster.scheduler_address, tmp_path / "launcher")
        there.work(launcher, 1)
        launcher.close()

    assert there.jobs(1) == []
    assert reasons(there) == {""}


@needs_dask
def test_leaving_a_cluster_stops_what_runs_there(tmp_path, data, slow):
    from dask.distributed import LocalCluster

    there = comparison(tmp_path / "out", data, EPOCHS)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        launcher = load_launcher("dask", 1, cluster.scheduler_address, tmp_path / "launcher")
        with at_a_checkpoint(there, slow, launcher.close):
            launcher.submit(there.jobs(1))

    folder = there.folder(there.cells()[0])
    assert not is_locked(folder)
    assert open_run(folder).record.state == "interrupted"


@needs_dask
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense", "tcp://nowhere.invalid:1"])
def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch, address):
    monkeypatch.setattr(dask_launcher, "CONNECT_TIMEOUT", "1s")

    with pytest.raises(RunError, match="No Dask scheduler answers at") as error:
        load_launcher("dask", 1, address, tmp_path)

    assert "\n" not in str(error.value)


@needs_submitit
def test_a_job_of_submitit_s_is_done(tmp_path, data):
    there = comparison(tmp_path / "out", data)
    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")
    there.work(launcher, 1)
    launcher.close()

    assert there.jobs(1) == []
    assert reasons(there) == {""}


@pytest.mark.slow
@needs_submitit
def test_a_killed_job_of_submitit_s_is_a_row_and_is_gone_on_with(tmp_path, data, slow, monkeypatch):
    monkeypatch.setattr("submitit.core.core.Job._results_timeout_s", 1)  # it waits 15 for a file
    there = comparison(tmp_path / "out", data, EPOCHS)
    psutil = pytest.importorskip("psutil")
    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")

    def kill_one():  # the number is that of a process that watches over the job's
        (worker,) = psutil.Process(int(launcher._pending[0].job_id)).children()
        worker.kill()

    with at_a_checkpoint(there, slow, kill_one):
        there.work(launcher, 1)
    launcher.close()
    (reason,) = there.ended().values()
    assert reason.startswith("lost: ")
    assert "\n" not in reason

    launcher = load_launcher("slurm", 1, "local", tmp_path / "out" / "launcher")
    there.work(launcher, 1)
    launcher.close()

    assert went_on(there)
    assert there.ended() == {}


@needs_submitit
def test_slurm_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RunError, match="Slurm is not available here"):
        load_launcher("slurm", 1, None, tmp_path)


@needs_submitit
def test_slurm_gets_one_array_of_so_many_at_once(tmp_path, monkeypatch):
    for name in ("sbatch", "srun"):
        executable = tmp_path / name
        executable.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/asked\necho Submitted batch job 17\n')
        executable.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    launcher = load_launcher("slurm", 3, "gpu", tmp_path / "launcher")

    found = launcher.submit([measurement(tmp_path, "list", "--json")] * 5)

    asked = (tmp_path / "asked").read_text()
    assert [job.job_id for job in found] == [f"17_{at}" for at in range(5)]
    assert "--array=0-4%3" in asked
    assert "--partition=gpu" in asked


@pytest.mark.parametrize(
    ("name", "address"),
    [
        pytest.param("dask", None, marks=needs_dask),
        pytest.param("slurm", "local", marks=needs_submitit),
    ],
)
def test_a_folder_that_a_launcher_cannot_have_is_one_line(tmp_path, name, address):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(RunError, match=r"cannot (be created|start)") as error:
        load_launcher(name, 1, address, tmp_path / "file" / "launcher")

    assert "\n" not in str(error.value)


def test_this_machine_has_no_address(tmp_path):
    with pytest.raises(SpecError, match="'local' takes no --address"):
        load_launcher("local", 1, "tcp://127.0.0.1:8786", tmp_path)


def test_launchers_are_looked_up_by_name(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match="local"):
        load_launcher("locla", 1, None, tmp_path)
    monkeypatch.setattr(
        "gandem.core.plugins.registry._missing_modules", lambda row: ["distributed"]
    )
    with pytest.raises(BackendError, match="pip install 'distributed"):
        load_launcher("dask", 1, None, tmp_path)


@pytest.mark.parametrize(
    ("threads", "memory", "cores", "wanted"),
    [(1, 3 << 30, 4, 4), (2, 3 << 30, 4, 2), (8, 0, 4, 1), (1, 1 << 60, 4, 1)],
)
def test_as_many_trainings_at_once_as_fit(monkeypatch, threads, memory, cores, wanted):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setattr(execution, "_read_free_memory", lambda: 100 << 30)

    assert execution.count_workers(threads, memory) == wanted
