"""The conformance suite as a command: in a process of its own, for a backend may crash, and told as
a table.
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
from gandem.core.tables import format_table
from gandem.core.training import find_backend
from gandem.testing.tiers import TIERS

__all__ = ["OUTCOMES", "Check", "Outcome", "check", "check_in_words"]

OUTCOMES: Mapping[str, str] = {
    "passed": "passed",
    "skipped": "skipped",
    "known": "known failure",
    "failed": "failed",
}
"""How a test can end, and the word for it."""
PYTEST_INI = "[pytest]\nxfail_strict = true\n"
"""Settings of whoever calls the command are none of the suite's business."""
DEFAULTS: Mapping[str, str] = {
    "OMP_NUM_THREADS": "1",  # threads that share small arrays wait longer than they compute
    # two thirds of a step of cgan in float64 on PyTorch is mapping its large buffers anew (glibc)
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
}
"""Environment variables that make the suite faster, where the caller does not set them."""
NO_PLUGINS = {
    "PYTEST_ADDOPTS": None,
    "PYTEST_PLUGINS": None,
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}
NO_TESTS = 5
"""pytest's exit code where it collected nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one test ended.

    Attributes:
        id: its name, with the case in brackets.
        tier: a key of :data:`gandem.testing.tiers.TIERS`.
        outcome: a key of :data:`OUTCOMES`.
        reason: why it was skipped, is known to fail, or failed; empty where it passed.
        seconds: how long it took.
    """

    id: str
    tier: str
    outcome: str
    reason: str
    seconds: float

    @property
    def test(self) -> str:
        """The test's name without its case, in words."""
        return self.id.partition("[")[0].removeprefix("test_").replace("_", " ")

    @property
    def summary(self) -> str:
        """The line of the reason that says most."""
        lines = [line.strip() for line in self.reason.splitlines() if line.strip()]
        raised = [line[1:].strip() for line in lines if line.startswith("E ")]
        return next(iter(raised or lines), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What the suite found about a backend.

    Attributes:
        crashed: how the suite's process ended before its time; empty where it did not.
        missed: tests that it did not come to.
    """

    backend: str
    versions: Mapping[str, str]
    capabilities: tuple[str, ...]
    outcomes: tuple[Outcome, ...] = field(repr=False)
    missed: int = 0
    crashed: str = ""

    @property
    def holds(self) -> bool:
        """Whether all tests were made, and none failed."""
        done = bool(self.outcomes) and not self.missed and not self.crashed
        return done and self.counts["failed"] == 0

    @property
    def counts(self) -> dict[str, int]:
        """How many tests ended how."""
        found = Counter(outcome.outcome for outcome in self.outcomes)
        return {name: found[name] for name in OUTCOMES}

    def to_data(self) -> dict[str, Any]:
        """Return all of it as plain data, for JSON."""
        found = asdict(self)
        return {"backend": found.pop("backend"), "holds": self.holds, "counts": self.counts} | found


def check(
    backend: str, *, only: str = "", progress: Callable[[int, int], None] | None = None
) -> Check:
    """Hold a backend to the conformance suite.

    Args:
        backend: its id.
        only: an expression of pytest's ``-k`` that chooses tests.
        progress: called with the number of tests made, and of all.

    Raises:
        NotFoundError: there is no such backend.
        BackendError: it cannot be loaded, pytest is not installed, or nothing fits ``only``.
    """
    row = find_backend(backend)
    if importlib.util.find_spec("pytest") is None:
        raise BackendError(
            f"The conformance suite needs pytest. Install it with: {install_command('check')}"
        )
    with tempfile.TemporaryDirectory(prefix="gandem-check-") as name:
        return _run(Path(name), row.id, only, progress)


def _run(
    folder: Path, backend: str, only: str, progress: Callable[[int, int], None] | None
) -> Check:
    """Run pytest in a process that alone loads the backend; return what it reports."""
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
                case {"tests": count, "subject": of}:
                    total, subject = count, of
                case {"begins": test}:
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
        raise BackendError(_refusal(result, only))
    whole = result.code in (0, 1) and outcomes
    test = running.rpartition("::")[2]
    return Check(
        backend=backend,
        versions=subject.get("versions", {}),
        capabilities=tuple(subject.get("capabilities", ())),
        outcomes=tuple(outcomes),
        missed=total - len(outcomes),
        crashed="" if whole else f"{describe_exit(result.code)} in {test}",
    )


def _refusal(result: ChildResult, only: str) -> str:
    """Return why pytest ran no test, in a sentence."""
    lines = (result.stdout + result.stderr).splitlines()
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if errors:
        return errors[0]
    if result.code == NO_TESTS and only:
        return f"No test fits {only!r}."
    return f"The suite did not start: {describe_exit(result.code)}."


# --- in words ------------------------------------------------------------------------------------


def check_in_words(found: Check) -> str:
    """Return a check as a table: a row for each test, a column for each way to end; then every
    reason.
    """
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    lines = [f"{found.backend} ({versions})", ""]
    lines.append(format_table([("", "", *OUTCOMES.values()), *_rows(found)]))
    for name in ("skipped", "known", "failed"):
        some = [outcome for outcome in found.outcomes if outcome.outcome == name]
        lines += ["", OUTCOMES[name]] if some else []
        if name == "skipped":
            reasons = Counter(outcome.reason for outcome in some)
            lines += [f"  {reason}  ({count} tests)" for reason, count in reasons.items()]
        else:
            lines += [f"  {outcome.id}: {outcome.summary}" for outcome in some]
    counts = ", ".join(f"{count} {OUTCOMES[name]}" for name, count in found.counts.items() if count)
    verdict = "conforms" if found.holds else "does not conform"
    lines += ["", f"{found.backend} {verdict}: {counts}."]
    if found.missed:
        crashed = f": {found.crashed}" if found.crashed else ""
        lines.append(f"{found.missed} tests were not made{crashed}.")
    return "\n".join(lines)


def _rows(found: Check) -> Iterator[tuple[str, ...]]:
    for tier, title in TIERS.items():
        of_tier = [outcome for outcome in found.outcomes if outcome.tier == tier]
        for number, test in enumerate(dict.fromkeys(outcome.test for outcome in of_tier)):
            ends = Counter(outcome.outcome for outcome in of_tier if outcome.test == test)
            head = f"{tier} {title}" if tier != "form" else title
            counts = (str(ends[name] or "·") for name in OUTCOMES)
            yield head if number == 0 else "", test, *counts
