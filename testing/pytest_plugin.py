"""The pytest plugin of the conformance suite: its options, the order of its tests, and the report
that ``gandem plugins check`` reads.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any, TextIO

import pytest

SUITE = "gandem.testing.suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the two options."""
    group = parser.getgroup("gandem", "conformance suite of gandem")
    group.addoption(
        "--gandem-backend",
        metavar="ID",
        help=f"backend for 'pytest --pyargs {SUITE}', e.g. acme/jax",
    )
    group.addoption(
        "--gandem-report",
        metavar="FILE",
        type=Path,
        help="write a line of JSON per test to this file",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open the report if the option asks for one.

    Raises:
        pytest.UsageError: the file cannot be written.
    """
    if path := config.getoption("gandem_report"):
        try:
            file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise pytest.UsageError(f"{path}: cannot be written ({error.strerror}).") from None
        config.add_cleanup(file.close)
        config.pluginmanager.register(_Reporter(file), "gandem-report")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Group the tests of the suite by trajectory, so that they share an engine, and check the
    backend once, so that an error is one line instead of one per test.

    Raises:
        pytest.UsageError: the option names no backend, or one that cannot be loaded.
    """
    base: Any = sys.modules.get("gandem.testing.base")
    if base is None:
        return
    groups: dict[Any, list[pytest.Item]] = {}
    for item in items:
        groups.setdefault(_group(item, base), []).append(item)
    items[:] = [item for group in groups.values() for item in group]
    if not any(_needs_option(item, base) for item in items):
        return
    from gandem.core.errors import GandemError
    from gandem.testing.target import load_target

    name = config.getoption("gandem_backend")
    if not name:
        raise pytest.UsageError("Name the backend with --gandem-backend, e.g. acme/jax")
    try:
        load_target(name)
    except GandemError as error:
        raise pytest.UsageError(str(error)) from None


def _is_conformance(item: pytest.Item, base: Any) -> bool:
    cls = getattr(item, "cls", None)
    return cls is not None and issubclass(cls, base.Conformance)


def _group(item: pytest.Item, base: Any) -> Any:
    """Return the trajectory of a test, or the test itself if it has none."""
    callspec = getattr(item, "callspec", None)
    case = callspec.params.get("case") if callspec else None
    if isinstance(case, base.Trajectory) and _is_conformance(item, base):
        return item.parent, case.name
    return item


def _needs_option(item: pytest.Item, base: Any) -> bool:
    """Return True if a test is of the suite and its class does not name a backend."""
    if not _is_conformance(item, base):
        return False
    cls: Any = item.cls  # type: ignore[attr-defined]
    fixtures = [inspect.getattr_static(each, "subject") for each in (cls, base.Conformance)]
    return not cls.backend and fixtures[0] is fixtures[1]


class _Reporter:
    """Writes the number of tests, then the outcome of each test when it ends."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.tiers: dict[str, str] = {}

    def write(self, **facts: Any) -> None:
        print(json.dumps(facts), file=self.file, flush=True)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self.tiers[item.nodeid] = getattr(getattr(item, "function", None), "tier", "form")
        facts = _describe(session.config.getoption("gandem_backend"))
        self.write(tests=len(session.items), subject=facts)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.write(running=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write a test once: after its call, or when its setup or teardown did not pass."""
        if report.when != "call" and report.passed:
            return
        outcome, reason = _find_outcome(report)
        self.write(
            id=report.nodeid.rpartition("::")[2],
            tier=self.tiers.get(report.nodeid, "form"),
            outcome=outcome,
            reason=reason,
            seconds=round(report.duration, 3),
        )


def _describe(backend: str | None) -> dict[str, Any]:
    """Return a backend's versions and capabilities; the tests report errors in them."""
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


def _find_outcome(report: pytest.TestReport) -> tuple[str, str]:
    """Return passed, skipped, known or failed, and the reason."""
    if hasattr(report, "wasxfail") and report.skipped:
        return "known", report.wasxfail
    if report.skipped:
        skip: Any = report.longrepr  # (path, line, "Skipped: …")
        return "skipped", str(skip[2]).removeprefix("Skipped: ")
    if report.failed:
        return "failed", report.longreprtext
    return "passed", ""
