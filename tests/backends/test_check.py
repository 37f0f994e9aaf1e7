"""The rules of the conformance suite, its pytest options, and ``gandem plugins check``."""

import json
import os
import sys
from textwrap import dedent

import pytest
from support.commands import gandem, refused, said

from gandem.core.plugins.installation import install_command
from gandem.core.plugins.registry import registry
from gandem.core.training import CAPABILITIES
from gandem.testing import BackendConformance, OperationConformance
from gandem.testing.check import Check, Outcome, format_check

pytest_plugins = ["pytester"]

ACME = """
    import os
    from gandem import Entry, hookimpl

    @hookimpl
    def gandem_backends():
        names = {"numpy": "Acme", "broken": "nobody", "deadly": "kill"}
        return [Entry(id=f"acme/{name}", target=f"acme_numpy:{attribute}",
                      conformance="acme_numpy:Target") for name, attribute in names.items()] + [
                Entry(id="acme/bare", target="acme_numpy:Acme"),
                Entry(id="acme/part", target="acme_numpy:Acme", conformance="acme_numpy:Acme")]

    def kill():
        os.abort()

    class Acme:
        capabilities = ("float64", "second-order")

        def versions(self):
            threads = os.environ.get("ACME_THREADS") and os.environ["OMP_NUM_THREADS"]
            return {"acme": "3.1"} | ({"threads": threads} if threads else {})

        def devices(self):
            return ["cpu"]

        def engine(self): ...

    class Target:
        known_failures = {"tanh": "it is off on Sundays", "silu": "it was off last Sunday"}

        def differentiate(self, plan, *arguments):
            from gandem.testing.references.networks import differentiate
            kind = plan.nodes[0].layer.kind
            derivatives = differentiate(plan, *arguments)
            if kind == "leaky_relu" and os.environ.get("ACME_CRASHES"):
                os.abort()
            wrong = {"value": -derivatives["value"]} if kind in ("tanh", "sigmoid") else {}
            return derivatives | wrong

        def gradient(self): ...
        def optimize(self): ...
"""
CASES = "tanh or sigmoid or silu or relu or concatenate"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with an installed distribution whose backend has known and unknown faults."""
    shelf = tmp_path_factory.mktemp("shelf")
    info = shelf / "acme_numpy-1.0.dist-info"
    info.mkdir()
    (shelf / "acme_numpy.py").write_text(dedent(ACME))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-numpy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gandem]\nacme = acme_numpy\n")
    return shelf


@pytest.fixture
def acme(shelf, monkeypatch):
    """That distribution, found by this process and by the suite's."""
    monkeypatch.syspath_prepend(shelf)
    monkeypatch.setenv("PYTHONPATH", os.fspath(shelf), prepend=os.pathsep)
    monkeypatch.setenv("GANDEM_PLUGINS", "acme")
    registry.cache_clear()
    yield
    registry.cache_clear()
    sys.modules.pop("acme_numpy", None)


# --- gandem plugins check -------------------------------------------------------------------------


def test_a_check_reports_every_test_in_json(acme):
    done = gandem("plugins", "check", "acme/numpy", "-k", CASES, "--json")

    report = json.loads(done.stdout)
    ends = {row["id"]: (row["outcome"], row["reason"]) for row in report["outcomes"]}
    gradients = "test_a_network_and_its_gradients"
    assert done.exit_code == 1
    assert ends[f"{gradients}[tanh]"] == ("known", "it is off on Sundays")
    assert ends[f"{gradients}[silu]"] == ("failed", "[XPASS(strict)] it was off last Sunday")
    assert ends[f"{gradients}[sigmoid]"][0] == "failed"
    assert "value: off by" in ends[f"{gradients}[sigmoid]"][1]
    assert ends[f"{gradients}[relu]"] == ("passed", "")
    skipped = {reason for outcome, reason in ends.values() if outcome == "skipped"}
    assert f"lacks 'conditional': {CAPABILITIES['conditional']}" in skipped
    assert (report["backend"], report["versions"]) == ("acme/numpy", {"acme": "3.1"})
    assert report["capabilities"] == ["float64", "second-order"]
    assert report["holds"] is False
    assert report["missed"] == 0
    assert sum(report["counts"].values()) == len(ends)


def test_a_check_prints_a_table_and_every_reason(acme):
    done = gandem("plugins", "check", "numpy", "-k", "tanh or relu and not leaky")

    lines = done.stdout.splitlines()
    assert done.exit_code == 1  # the second derivatives of tanh are right, so strictly no excuse
    assert lines[0] == "acme/numpy (acme 3.1)"
    assert "passed  skipped  known failure  failed" in lines[2]
    assert any("a network and its gradients" in line for line in lines)
    assert "  test_a_network_and_its_gradients[tanh]: it is off on Sundays" in lines
    assert lines[-1].startswith("acme/numpy does not conform: ")


def test_a_check_ignores_the_pytest_settings_of_the_caller(acme, tmp_path, monkeypatch):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --nonsense\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('mine')\n")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--nonsense")
    monkeypatch.chdir(tmp_path)

    conforms = said("plugins", "check", "acme/numpy", "-k", "relu and network")

    assert "acme/numpy conforms: " in conforms.splitlines()[-1]


@pytest.mark.parametrize(("chosen", "threads"), [(None, "1"), ("3", "3")])
def test_a_check_runs_on_one_thread_unless_the_caller_chooses(acme, monkeypatch, chosen, threads):
    monkeypatch.setenv("ACME_THREADS", "1")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if chosen:
        monkeypatch.setenv("OMP_NUM_THREADS", chosen)

    done = gandem("plugins", "check", "acme/numpy", "-k", "versions", "--json")

    assert json.loads(done.stdout)["versions"]["threads"] == threads


def test_a_backend_that_crashes_is_reported(acme, monkeypatch):
    monkeypatch.setenv("ACME_CRASHES", "1")

    done = gandem("plugins", "check", "acme/numpy", "-k", "relu and gradients", "--json")

    report = json.loads(done.stdout)
    assert done.exit_code == 1
    assert report["holds"] is False
    assert report["missed"] > 0
    assert report["crashed"].startswith("killed by SIGABRT in test_a_network")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["acme/numpi"], "No backend named 'acme/numpi'. Did you mean 'acme/numpy'?"),
        (["acme/numpy", "-k", "zebra"], "No test matches 'zebra'."),
        (["acme/numpy", "-k", "a or"], "Wrong expression passed to '-k': a or: at column 5: "
         "expected not OR left parenthesis OR identifier; got end of input"),
        (["acme/broken"], "The backend 'acme/broken' of acme-numpy could not be loaded: "
         "AttributeError: module 'acme_numpy' has no attribute 'nobody'"),
        (["acme/bare"], "The backend 'acme/bare' of acme-numpy has no conformance target; set "
         "conformance='package.module:Class' in its entry."),
        (["acme/part"], "The conformance target of the backend 'acme/part' of acme-numpy: "
         "Acme has no 'known_failures'."),
        (["acme/deadly", "-k", "versions"], "The suite did not start: "
         "killed by SIGABRT."),
    ],
)  # fmt: skip
def test_a_check_that_cannot_run_is_refused_in_one_line(acme, arguments, error):
    assert refused("plugins", "check", *arguments) == error


def test_a_missing_pytest_names_what_to_install(acme, monkeypatch):
    monkeypatch.setitem(sys.modules, "pytest", None)

    assert refused("plugins", "check", "acme/numpy").endswith(install_command("check"))


def test_a_check_without_all_tests_does_not_conform():
    nothing = Check(backend="acme/x", versions={"x": "1"}, capabilities=(), outcomes=())
    one = Outcome(id="test_a[b]", tier="P1", outcome="passed", reason="", seconds=0.1)
    short = Check(backend="acme/x", versions={"x": "1"}, capabilities=(), outcomes=(one,), missed=2)

    assert not nothing.holds
    assert not short.holds
    assert format_check(short).endswith("2 tests were not run.")


# --- pytest --pyargs gandem.testing.suite --------------------------------------------------------


def suite(pytester, *arguments):
    return pytester.runpytest_inprocess("-q", "--pyargs", "gandem.testing.suite", *arguments)


def test_pytest_runs_the_suite_on_the_backend_of_its_option(acme, pytester):
    done = suite(pytester, "--gandem-backend", "acme/numpy", "-k", "sigmoid or tanh", "-rx")

    assert done.parseoutcomes()["xfailed"] == 1
    assert "sigmoid: value: off by" in done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "ERROR: Name the backend with --gandem-backend, e.g. acme/jax\n"),
        (["--gandem-backend=acme/x"], "ERROR: No backend named 'acme/x'."),
        (["--gandem-report=no/such/folder"], "ERROR: no/such/folder: cannot be written (No such "),
    ],
)
def test_pytest_options_that_are_wrong_give_one_line(acme, pytester, arguments, error):
    done = suite(pytester, *arguments)

    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert error in f"{done.stdout}\n{done.stderr}\n"


# --- a class of one's own ------------------------------------------------------------------------


def test_a_test_that_is_overridden_removed_or_unknown_is_refused():
    with pytest.raises(TypeError, match="Mine overrides 'test_a_loss_and_its_gradient' of the"):

        class Mine(OperationConformance):
            def test_a_loss_and_its_gradient(self): ...

    with pytest.raises(TypeError, match="Less removes 'test_one_step_from_a_given_state' of the"):

        class Less(BackendConformance):
            test_one_step_from_a_given_state = None

    with pytest.raises(TypeError, match="Did you mean 'test_a_loss_and_its_gradient'"):

        class Misspelt(BackendConformance):
            def test_a_los_and_its_gradient(self): ...

    class Quiet:
        test_a_loss_and_its_gradient = None

    with pytest.raises(TypeError, match="Mixed removes 'test_a_loss_and_its_gradient'"):

        class Mixed(Quiet, BackendConformance): ...


def test_a_subclass_with_a_backend_runs_the_whole_suite():
    class TestAcme(BackendConformance):
        backend = "acme/numpy"

    assert TestAcme.suite is BackendConformance


FAULTY = """
    import pytest

    from gandem.testing import {suite}

    class Faulty:
        capabilities = {capabilities}

        def versions(self): return {{"faulty": "1"}}
        def devices(self): return ["cpu"]
        def engine(self): ...

    class FaultyTarget:
        known_failures = {known}

        def gradient(self): ...
        def optimize(self): ...
        def differentiate(self): ...

    class TestFaulty({suite}):
        @pytest.fixture
        def subject(self):
            return Faulty()

        @pytest.fixture
        def target(self):
            return FaultyTarget()
"""


def faulty(pytester, *tests, suite="BackendConformance", capabilities=("float64",), known=None):
    code = FAULTY.format(suite=suite, capabilities=capabilities, known=known or {})
    pytester.makepyfile(test_faulty=code)
    return pytester.runpytest_inprocess("-rA", "-k", " or ".join(tests))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"embeding": "late"}, "*no test or case is called 'embeding'. Did you mean 'embedding'?*"),
        ({"test_a_network_and_its_gradients[dens]": "late"}, "*no test or case is called*"),
        ({"test_no_network": "late"}, "*no test or case is called 'test_no_network'*"),
        ({"dense": " "}, "*'dense' has no reason*"),
    ],
)
def test_a_known_failure_of_nothing_or_without_a_reason_fails(pytester, known, said):
    result = faulty(pytester, "known_failure", known=known)

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(said)


@pytest.mark.parametrize(
    "name",
    ["dense", "test_a_network_and_its_gradients", "test_a_network_and_its_gradients[dense]"],
)
def test_a_known_failure_is_named_by_case_or_test_or_both(pytester, name):
    result = faulty(
        pytester, "known_failure", "gradients[dense]", known={name: "nothing is built yet"}
    )

    result.assert_outcomes(passed=1, xfailed=1)


def test_an_unknown_capability_fails(pytester):
    result = faulty(pytester, "versions_and_a_cpu", capabilities=("float46",))

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("*no capability named 'float46'. Did you mean 'float64'?*")


def test_without_capabilities_all_numerical_tests_are_skipped(pytester):
    result = faulty(pytester, "Faulty", capabilities=())

    skipped = result.parseoutcomes()["skipped"]
    assert result.parseoutcomes()["passed"] == 3  # what a backend is, and the streams
    assert skipped > 600
    assert "failed" not in result.parseoutcomes()
