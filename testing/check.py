"""The conformance suite as a command.

It runs in a separate process, because a backend may crash, and reports a table.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gandem.core.errors import BackendError
from gandem.core.plugins.installation import install_command
from gandem.core.process import ChildCommand, ChildResult, describe_exit, run_child
from gandem.core.training import find_backend
from gandem.terminal.tables import format_table
from gandem.testing import TIERS

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
NO_PLUGINS = {
    "PYTEST_ADDOPTS": None,
    "PYTEST_PLUGINS": None,
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
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
            f"The conformance suite needs pytest. Install it with: {install_command('check')}"
        )
    with tempfile.TemporaryDirectory(prefix="gandem-check-") as name:
        return _run(Path(name), entry.id, only, progress)


def _run(
    folder: Path, backend: str, only: str, progress: Callable[[int, int], None] | None
) -> Check:
    """Run pytest in a child process, which loads the backend; return the result."""
    report = folder / "report.jsonl"
    (folder / "pytest.ini").write_text(PYTEST_INI)
    report.touch()
    arguments = ["-q", "-p", "gandem", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    arguments += ["-c", str(folder / "pytest.ini"), "--pyargs", "gandem.testing.suite"]
    arguments += ["--gandem-backend", backend, "--gandem-report", str(report)]
    arguments += ["-k", only] if only else []
    environment = {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
    outcomes: list[Outcome] = []
    subject: dict[str, Any] = {}
    total, running, line = 0, "", ""

    def read_report() -> None:
        nonlocal total, subject, running, line
        while part := report_file.readline():
            line += part
            if not line.endswith("\n"):
                return
            facts, line = json.loads(line), ""
            match facts:
                case {"tests": count, "subject": description}:
                    total, subject = count, description
                case {"running": test}:
                    running = test
                case _:
                    outcomes.append(Outcome(**facts))
            if progress is not None and total:
                progress(len(outcomes), total)

    with report.open() as report_file:
        result = run_child(
            ChildCommand(
                module="pytest",
                arguments=tuple(arguments),
                folder=folder,
                environment=environment | NO_PLUGINS,
            ),
            on_tick=read_report,
        )
    if not running:
        raise BackendError(_explain_refusal(result, only))
    is_complete = result.code in (0, 1) and outcomes
    test = running.rpartition("::")[2]
    return Check(
        backend=backend,
        versions=subject.get("versions", {}),
        capabilities=tuple(subject.get("capabilities", ())),
        outcomes=tuple(outcomes),
        missed=total - len(outcomes),
        crashed="" if is_complete else f"{describe_exit(result.code)} in {test}",
    )


def _explain_refusal(result: ChildResult, only: str) -> str:
    """Return why pytest ran no test."""
    lines = (result.stdout + result.stderr).splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if errors:
        return errors[0]
    if result.code == NO_TESTS and only:
        return f"No test matches {only!r}."
    return f"The suite did not start: {describe_exit(result.code)}."


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
