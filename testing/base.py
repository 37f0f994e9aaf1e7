"""The rules of the suite: which backend is tested, what is skipped, what may fail, and that the
tests stay unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

import pytest

from gandem.core.errors import GandemError, suggest
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.training import CAPABILITIES, Backend, list_needs, list_network_needs, load_backend
from gandem.testing.case_types import Case
from gandem.testing.target import ConformanceTarget, load_target
from gandem.testing.trajectories import Trajectory

Test = TypeVar("Test", bound=Callable[..., Any])


def tier(name: str, *capabilities: str) -> Callable[[Test], Test]:
    """Mark a test with its tier, a key of :data:`gandem.testing.TIERS`, and with the capabilities
    that it needs besides those of its case.
    """

    def mark(test: Test) -> Test:
        test.tier, test.capabilities = name, capabilities  # type: ignore[attr-defined]
        return test

    return mark


class Conformance:
    """The base of each part of the suite: a backend, by name, and the rules.

    A test is skipped if it needs a capability that the backend does not declare. It must fail if
    the backend's target names it in ``known_failures``. A subclass that overrides, removes or adds
    a test is refused.
    """

    backend: ClassVar[str] = ""
    """The backend's id in the registry; by default pytest's ``--gandem-backend``."""
    suite: ClassVar[type[Conformance]]
    """The part of the suite that a subclass runs."""

    def __init_subclass__(cls, *, suite: bool = False, **options: Any) -> None:
        """Register a part of the suite, or refuse a subclass that changes the tests of one."""
        super().__init_subclass__(**options)
        if suite:
            cls.suite = cls
        elif problem := _find_tampering(cls):
            raise TypeError(problem)

    @pytest.fixture
    def backend_id(self, request: pytest.FixtureRequest) -> str:
        """Return the backend's id; skip the test if its framework is not installed."""
        name = self.backend or request.config.getoption("gandem_backend", None)
        if not name:
            pytest.fail("Name the backend with --gandem-backend, e.g. acme/jax", pytrace=False)
        entry = registry().find("backends", name)
        if not is_installed(entry):
            pytest.skip(f"the backend {entry.id!r} is not installed: {entry.install}")
        return entry.id

    @pytest.fixture
    def subject(self, backend_id: str) -> Backend:
        """Load the backend; override it to test one that is not in the registry."""
        return load_backend(backend_id)

    @pytest.fixture
    def target(self, backend_id: str) -> ConformanceTarget:
        """Load the backend's operations; override it together with ``subject``."""
        try:
            return load_target(backend_id)
        except GandemError as error:
            pytest.fail(str(error), pytrace=False)

    @pytest.fixture(autouse=True)
    def _apply_rules(self, request: pytest.FixtureRequest) -> None:
        """Skip what the backend cannot do; expect its known failures to fail."""
        if not {"subject", "target"} & set(request.fixturenames):
            return
        subject: Backend = request.getfixturevalue("subject")
        target: ConformanceTarget = request.getfixturevalue("target")
        callspec = getattr(request.node, "callspec", None)
        case = callspec.params.get("case") if callspec else None
        for capability in (*getattr(request.function, "capabilities", ()), *_list_needs(case)):
            if capability not in subject.capabilities:
                pytest.skip(f"lacks {capability!r}: {CAPABILITIES[capability]}")
        for name in (request.node.name, request.function.__name__, name_of(case)):
            if name in target.known_failures:
                reason = target.known_failures[name]
                request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def name_of(case: Any) -> str:
    """Return the name of a case, which pytest shows in brackets; empty without a case."""
    return getattr(case, "name", "")


def list_tests(cls: type[Conformance]) -> list[str]:
    """Return the names of a class's tests."""
    return [name for name in dir(cls) if name.startswith("test")]


def find_unknown_failures(
    known: Iterable[str], tests: Iterable[str], cases: Iterable[str]
) -> list[str]:
    """Return a message for each known failure that names neither a test nor a case."""
    tests, cases = list(tests), list(cases)
    messages = []
    for name in known:
        test, _, parameters = name.removesuffix("]").partition("[")
        has_case = not parameters or any(case in parameters for case in cases)
        if name not in cases and not (test in tests and has_case):
            near = suggest(name, [*tests, *cases])
            messages.append(f"known_failures: no test or case is called {name!r}.{near}")
    return messages


def _list_needs(case: Any) -> Iterable[str]:
    """Return the capabilities that a case needs."""
    match case:
        case Case():
            return list_network_needs(case.plan)
        case Trajectory():
            return list_needs(case.spec)
    return ()


def _find_tampering(cls: type[Conformance]) -> str:
    """Return what a subclass changes in the tests of the suite; empty if nothing."""
    suite = cls.suite
    for name in list_tests(suite):
        test = getattr(cls, name)
        if test is not getattr(suite, name):
            verb = "removes" if test is None else "overrides"
            return (
                f"{cls.__name__} {verb} {name!r} of the conformance suite; list a test that cannot "
                "succeed in known_failures, with the reason."
            )
    for name in list_tests(cls):
        if not hasattr(suite, name):
            near = suggest(name, list_tests(suite))
            return (
                f"{cls.__name__} has a test {name!r}, which is not part of the conformance suite."
                f"{near} Put your own tests into another class."
            )
    return ""
