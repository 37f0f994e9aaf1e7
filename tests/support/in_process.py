"""Parity measurements, and jobs of comparisons, inside the test process.

Each would start child processes that import a framework. The same code runs here: the worker reads
the same request, the command gets the same arguments. What is left out is the process itself.
"""

import contextlib
import io
import sys
from concurrent.futures import Future
from unittest.mock import patch

from gandem.compare import execution, jobs, run_job
from gandem.core.errors import BackendError
from gandem.core.process import ChildResult
from gandem.core.training.backends import load_backend
from gandem.parity import measure, worker
from gandem.parity.processes import Processes
from support.commands import gandem


@contextlib.contextmanager
def in_process(*, load=load_backend, share_engines=False):
    """Start no child process for a parity measurement or a job of a comparison.

    Args:
        load: what a parity worker loads its backend with.
        share_engines: let requests for the same spec, backend and precision load their state into
            one engine, so that each step is compiled once.
    """
    engines = {}

    def load_sharing(name):
        return Sharing(name, load(name), engines)

    def run(processes, *requests):
        with patch.object(worker, "load_backend", load_sharing if share_engines else load):
            for name, request in requests:
                _run_request(name, request, processes.progress)

    with (
        patch.object(Processes, "run", run),
        patch.object(jobs, "_run", _run_command),
        patch.object(execution, "load_launcher", lambda *_: Launcher()),
    ):
        yield


def measure_in_process(model, *, share_engines=False, **options):
    """Return the report of :func:`gandem.parity.measure`, without child processes."""
    with in_process(share_engines=share_engines):
        return measure(model, **options)


class Launcher:
    """A launcher that is done with all jobs when they are handed in."""

    def submit(self, jobs):
        futures = [Future() for _ in jobs]
        for future, job in zip(futures, jobs, strict=True):
            future.set_result(run_job(job))
        return futures

    def close(self):
        """Nothing is running."""


def _run_request(name, request, progress):
    """Run a request as its process would; report its steps and its errors in the same way."""

    def report_step(step):
        if progress is not None:
            progress(f"{request.backend} {name}", step)

    errors = io.StringIO()
    with patch.object(worker, "_print_step", report_step), contextlib.redirect_stderr(errors):
        code = worker.main(request.to_json())
    if code:
        raise BackendError(f"The {request.backend} process failed: {errors.getvalue().strip()}")


class Sharing:
    """A backend whose engines are kept: one for each spec and precision."""

    def __init__(self, name, backend, engines):
        self.name, self.backend, self.engines = name, backend, engines

    def __getattr__(self, name):
        return getattr(self.backend, name)

    def engine(self, spec, loss, state, *, precision, device):
        key = (self.name, spec, precision, device)
        if key in self.engines:
            self.engines[key].load(state)
        else:
            self.engines[key] = self.backend.engine(
                spec, loss, state, precision=precision, device=device
            )
        return self.engines[key]


def _run_command(job, arguments, stop):
    """Do what a child process does with a command's arguments."""
    with contextlib.chdir(job.folder), patch.object(sys, "argv", ["gandem", *arguments]):
        done = gandem(*arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return ChildResult(code=done.exit_code, stdout=done.stdout, stderr=done.stderr)
