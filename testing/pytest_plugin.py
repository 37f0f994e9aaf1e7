"""What pytest needs for the conformance suite: the option that names the backend, the order of the
tests, and the file that ``gandem plugins check`` reads.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import pytest

__all__ = ["pytest_addoption", "pytest_collection_modifyitems", "pytest_configure"]

SUITE = "gandem.testing.suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("gandem", "conformance of gandem's backends")
    group.addoption(
        "--gandem-backend",
        metavar="ID",
        help=f"the backend that 'pytest --pyargs {SUITE}' tests, acme/jax",
    )
    group.addoption(
        "--gandem-report",
        metavar="FILE",
        type=Path,
        help="write a line of JSON for each of its tests to this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the report, where one is asked for.

    Raises:
        pytest.UsageError: it cannot be written.
    """
    if path := config.getoption("gandem_report"):
        try:
            file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"{path}: cannot be written ({error.strerror}).") from None
        config.add_cleanup(file.close)
        config.pluginmanager.register(_Reporter(file), "gandem-report")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests of the suite by walk, which then share an engine; refuse to run it without a
    backend that is there, in one line instead of a thousand.

    Raises:
        pytest.UsageError: it has no name, is unknown, or cannot be loaded.
    """
    base: Any = sys.modules.get("gandem.testing.base")
    if base is None:
        return
    groups: dict[Any, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(_group(item, base), []).append(item)
    items[:] = [item for group in groups.values() for item in group]
    if not any(_wants_a_backend(item, base) for item in items):
        return
    from gandem.core.errors import GandemError
    from gandem.core.training import load_backend

    name = config.getoption("gandem_backend")
    if not name:
        raise pytest.UsageError("Say which backend to test: --gandem-backend acme/jax")
    try:
        load_backend(name)
    except GandemError as error:
        raise pytest.UsageError(str(error)) from None


def _is_conformance(item: pytest.Item, base: Any) -> bool:
    cls = getattr(item, "cls", None)
    return cls is not None and issubclass(cls, base.Conformance)


def _group(item: pytest.Item, base: Any) -> Any:
    """Return what tests that run one after another have in common: a walk, or nothing."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec else None
    if isinstance(case, base.Walk) and _is_conformance(item, base):
        return item.parent, case.name
    return item


def _wants_a_backend(item: pytest.Item, base: Any) -> bool:
    """Say whether a test is of the suite, and its class does not say which backend it is about."""
    if not _is_conformance(item, base):
        return False
    cls: Any = item.cls  # type: ignore[attr-defined]
    subjects = [inspect.getattr_static(each, "subject") for each in (cls, base.Conformance)]
    return not cls.backend and subjects[0] is subjects[1]


class _Reporter:
    """Writes how many tests there are, then each with its outcome, as they end."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.tiers: dict[str, str] = {}

    def tell(self, **facts: Any) -> None:
        print(json.dumps(facts), file=self.file, flush=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self.tiers[item.nodeid] = getattr(getattr(item, "function", None), "tier", "form")
        subject = _facts(session.config.getoption("gandem_backend"))
        self.tell(tests=len(session.items), subject=subject)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.tell(begins=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell of a test once: of its call, or of what kept it from being called."""
        if report.when != "call" and report.passed:
            return
        outcome, reason = _judged(report)
        self.tell(
            id=report.nodeid.rpartition("::")[2],
            tier=self.tiers.get(report.nodeid, "form"),
            outcome=outcome,
            reason=reason,
            seconds=round(report.duration, 3),
        )


def _facts(backend: str | None) -> dict[str, Any]:
    """Return a backend's versions and capabilities; what is wrong with them is for the tests."""
    if not backend:
        return {}
    from gandem.core.training.backends import load_backend

    try:
        subject = load_backend(backend)
        facts = {"versions": dict(subject.versions()), "capabilities": [*subject.capabilities]}
        json.dumps(facts)
    except Exception:
        return {}
    return facts


def _judged(report: pytest.TestReport) -> tuple[str, str]:
    """Return passed, skipped, known or failed, and why."""
    if hasattr(report, "wasxfail") and report.skipped:
        return "known", report.wasxfail
    if report.skipped:
        where: Any = report.longrepr  # (path, line, "Skipped: …")
        return "skipped", str(where[2]).removeprefix("Skipped: ")
    if report.failed:
        return "failed", report.longreprtext
    return "passed", ""
