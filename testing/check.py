"""The conformance suite as a command.

It runs in a separate process, because a backend may crash, and reports a table.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gandem.core.errors import BackendError
from gandem.core.tables import format_table
from gandem.core.training import find_backend
from gandem.testing import TIERS

__all__ = ["OUTCOMES", "Check", "Outcome", "check", "format_check"]

OUTCOMES: Mapping[str, str] = {
    "passed": "passed",
    "skipped": "skipped",
    "known": "known failure",
    "failed": "failed",
}
"""The outcomes of a test, with their titles."""
PYTEST_INI = "[pytest]\nxfail_strict = true\n"
"""The settings of the suite; those in the caller's folder do not apply."""
DEFAULTS: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",  # on small arrays, threads wait longer than they compute
    # keep freed memory: requesting it again takes two thirds of a step of cgan in float64 (glibc)
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}
"""Environment variables that make the suite faster, unless the caller sets them."""
NO_TESTS = 5
"""pytest's exit code if it collected nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one test.

    Attributes:
        id: its name, with the case in brackets.
        tier: a key of :data:`gandem.testing.TIERS`.
        outcome: a key of :data:`OUTCOMES`.
        reason: why it was skipped, is known to fail, or failed; empty if it passed.
        seconds: its duration.
    """

    id: str
    tier: str
    outcome: str
    reason: str
    seconds: float

    @property
    def test(self) -> str:
        """The test's name without its case, as words."""
        return self.id.partition("[")[0].removeprefix("test_").replace("_", " ")

    @property
    def summary(self) -> str:
        """The most informative line of the reason."""
        lines = [line.strip() for line in self.reason.splitlines() if line.strip()]
        errors = [line[1:].strip() for line in lines if line.startswith("E ")]
        return next(iter(errors or lines), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """The result of the suite for a backend.

    Attributes:
        crashed: how the suite's process ended early; empty if it did not.
        missed: number of tests that were not run.
    """

    backend: str
    versions: Mapping[str, str]
    capabilities: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = field(repr=False)
    missed: int = 0
    crashed: str = ""

    @property
    def holds(self) -> bool:
        """True if all tests were run and none failed."""
        is_complete = bool(self.outcomes) and not self.missed and not self.crashed
        return is_complete and self.counts["failed"] == 0

    @property
    def counts(self) -> dict[str, int]:
        """The number of tests with each outcome."""
        counts = Counter(outcome.outcome for outcome in self.outcomes)
        return {name: counts[name] for name in OUTCOMES}

    def to_data(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        data = asdict(self)
        return {"backend": data.pop("backend"), "holds": self.holds, "counts": self.counts} | data


def check(
    backend: str, *, only: str = "", progress: Callable[[int, int], None] | None = None
) -> Check:
    """Run the conformance suite on a backend.

    Args:
        backend: its id.
        only: an expression of pytest's ``-k`` that chooses tests.
        progress: called with the number of finished tests, and of all tests.

    Raises:
        NotFoundError: there is no such backend.
        BackendError: it cannot be loaded, pytest is not installed, or no test matches ``only``.
    """
    entry = find_backend(backend)
    if importlib.util.find_spec("pytest") is None:
        raise BackendError(
            "The conformance suite needs pytest. Install it with: pip install 'gandem[check]'"
        )
    with tempfile.TemporaryDirectory(prefix="gandem-check-") as name:
        return _run(Path(name), entry.id, only, progress)


def _run(
    folder: Path, backend: str, only: str, progress: Callable[[int, int], None] | None
) -> Check:
    """Run pytest in a child process, which loads the backend; return the result."""
    report, log = folder / "report.jsonl", folder / "log.txt"
    (folder / "pytest.ini").write_text(PYTEST_INI)
    report.touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "gandem", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(folder), "-c", str(folder / "pytest.ini")]
    command += ["--pyargs", "gandem.testing.suite", "--gandem-backend", backend]
    command += ["--gandem-report", str(report), *(["-k", only] if only else [])]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    environment = {**DEFAULTS, **inherited, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    outcomes: list[Outcome] = []
    subject: dict[str, Any] = {}
    total, running = 0, ""
    with log.open("w") as output, report.open() as rows:
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=folder,
        )
        try:
            for line in _read_lines(rows, child):
                match json.loads(line):
                    case {"tests": count, "subject": facts}:
                        total, subject = count, facts
                    case {"running": test}:
                        running = test
                    case facts:
                        outcomes.append(Outcome(**facts))
                if progress is not None and total:
                    progress(len(outcomes), total)
        finally:
            child.kill()
            child.wait()
    if not running:
        raise BackendError(_explain_refusal(log, child.returncode, only))
    is_complete = child.returncode in (0, 1) and outcomes
    end, test = _format_code(child.returncode), running.rpartition("::")[2]
    return Check(
        backend=backend,
        versions=subject.get("versions", {}),
        capabilities=tuple(subject.get("capabilities", ())),
        outcomes=tuple(outcomes),
        missed=total - len(outcomes),
        crashed="" if is_complete else f"the process ended with {end} in {test}",
    )


def _explain_refusal(log: Path, code: int, only: str) -> str:
    """Return why pytest ran no test."""
    lines = log.read_text(errors="replace").strip().splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if errors:
        return errors[0]
    if code == NO_TESTS and only:
        return f"No test matches {only!r}."
    return f"The suite did not start: the process ended with {_format_code(code)}."


def _format_code(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"code {code}"


def _read_lines(file: Any, child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Yield the complete lines of a file that a child writes, until the child has ended."""
    part, ended = "", False
    while True:
        if line := file.readline():
            part += line
            if part.endswith("\n"):
                yield part
                part = ""
        elif ended:
            return
        else:
            ended = child.poll() is not None  # then read once more
            time.sleep(0 if ended else 0.05)


# --- as text -------------------------------------------------------------------------------------


def format_check(check: Check) -> str:
    """Return a table with a row per test and a column per outcome; then all reasons."""
    versions = ", ".join(f"{name} {version}" for name, version in check.versions.items())
    lines = [f"{check.backend} ({versions})", ""]
    lines.append(format_table([("", "", *OUTCOMES.values()), *_format_rows(check)]))
    for name in ("skipped", "known", "failed"):
        outcomes = [outcome for outcome in check.outcomes if outcome.outcome == name]
        lines += ["", OUTCOMES[name]] if outcomes else []
        if name == "skipped":
            reasons = Counter(outcome.reason for outcome in outcomes)
            lines += [f"  {reason}  ({count} tests)" for reason, count in reasons.items()]
        else:
            lines += [f"  {outcome.id}: {outcome.summary}" for outcome in outcomes]
    counts = ", ".join(f"{count} {OUTCOMES[name]}" for name, count in check.counts.items() if count)
    verdict = "conforms" if check.holds else "does not conform"
    lines += ["", f"{check.backend} {verdict}: {counts}."]
    if check.missed:
        crashed = f": {check.crashed}" if check.crashed else ""
        lines.append(f"{check.missed} tests were not run{crashed}.")
    return "\n".join(lines)


def _format_rows(check: Check) -> Iterator[tuple[str, ...]]:
    for tier, title in TIERS.items():
        outcomes = [outcome for outcome in check.outcomes if outcome.tier == tier]
        for number, test in enumerate(dict.fromkeys(outcome.test for outcome in outcomes)):
            counts = Counter(outcome.outcome for outcome in outcomes if outcome.test == test)
            head = title if tier == "form" else f"{tier} {title}"
            cells = (str(counts[name] or "·") for name in OUTCOMES)
            yield head if number == 0 else "", test, *cells
