"""The rules of the suite: which backend is tested, what is skipped, what may fail, and that nobody
changes the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pytest

from gandem.core.errors import suggest
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.training import CAPABILITIES, Backend, list_needs, list_network_needs, load_backend
from gandem.testing.forms import Case
from gandem.testing.walks import Walk

__all__ = ["Conformance", "names_of_tests", "unknown_failures"]


class Conformance:
    """What every part of the suite has: a backend, by name, and the suite's rules.

    A test whose capability the backend does not declare is skipped.  One that the backend names
    among its ``known_failures`` has to fail.  A subclass that overrides or removes a test, or has
    one that the suite does not know, is refused.
    """

    backend: ClassVar[str] = ""
    """The backend's id in the registry; left out, pytest's ``--gandem-backend``."""
    suite: ClassVar[type[Conformance]]
    """The part of the suite that it is."""

    def __init_subclass__(cls, *, suite: bool = False, **more: Any) -> None:
        """Take a part of the suite, or refuse a subclass that changes the tests of one."""
        super().__init_subclass__(**more)
        if suite:
            cls.suite = cls
        elif problem := _tampered(cls):
            raise TypeError(problem)

    @pytest.fixture
    def subject(self, request: pytest.FixtureRequest) -> Backend:
        """Load the backend; override it to test one that no registry knows."""
        name = self.backend or request.config.getoption("gandem_backend", None)
        if not name:
            pytest.fail("Say which backend: --gandem-backend acme/jax", pytrace=False)
        row = registry().find("backends", name)
        if not is_installed(row):
            pytest.skip(f"the backend {row.id!r} is not installed: {row.install}")
        return load_backend(name)

    @pytest.fixture(autouse=True)
    def _ruled(self, request: pytest.FixtureRequest) -> None:
        """Skip what the backend cannot do; expect to fail what it knows that it fails."""
        if "subject" not in request.fixturenames:
            return
        subject: Backend = request.getfixturevalue("subject")
        callspec = getattr(request.node, "callspec", None)
        case = callspec.params.get("case") if callspec else None
        for capability in (*getattr(request.function, "takes", ()), *_needs(case)):
            if capability not in subject.capabilities:
                pytest.skip(f"lacks {capability!r}: {CAPABILITIES[capability]}")
        for name in (request.node.name, request.function.__name__, getattr(case, "name", "")):
            if name in subject.known_failures:
                reason = subject.known_failures[name]
                request.applymarker(pytest.mark.xfail(reason=reason, strict=True))


def names_of_tests(cls: type[Conformance]) -> list[str]:
    """Return the names of a class's tests."""
    return [name for name in dir(cls) if name.startswith("test")]


def unknown_failures(known: Iterable[str], tests: Iterable[str], cases: Iterable[str]) -> list[str]:
    """Return a sentence for each known failure that names neither a test nor a case."""
    tests, cases = list(tests), list(cases)
    said = []
    for name in known:
        test, _, inner = name.removesuffix("]").partition("[")
        within = not inner or any(case in inner for case in cases)
        if name not in cases and not (test in tests and within):
            near = suggest(name, [*tests, *cases])
            said.append(f"known_failures: no test or case is called {name!r}.{near}")
    return said


def _needs(case: Any) -> Iterable[str]:
    """Return the capabilities that a case takes."""
    match case:
        case Case():
            return list_network_needs(case.plan)
        case Walk():
            return list_needs(case.spec)
    return ()


def _tampered(cls: type[Conformance]) -> str:
    """Say what a subclass did to the tests of the suite; nothing, if it left them alone."""
    suite = cls.suite
    for name in names_of_tests(suite):
        found = getattr(cls, name)
        if found is not getattr(suite, name):
            did = "removes" if found is None else "overrides"
            return (
                f"{cls.__name__} {did} {name!r} of the conformance suite; a test that cannot "
                "succeed belongs, with the reason, into the backend's known_failures."
            )
    for name in names_of_tests(cls):
        if not hasattr(suite, name):
            near = suggest(name, names_of_tests(suite))
            return (
                f"{cls.__name__} has a test {name!r} that the conformance suite does not know."
                f"{near} Tests of your own go into a class of their own."
            )
    return ""
