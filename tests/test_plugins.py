"""Plugins: a stranger's distribution adds to the tables, and a broken one takes nothing down."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from gandem.core import plugins as module
from gandem.core.errors import ClashError, NotFoundError
from gandem.core.plugins import Plugin
from gandem.core.registry import (
    load_backend,
    load_dataset,
    load_objective,
    load_spec,
    registry,
)
from gandem.core.spec import Objective

HEAD = "import gandem\nfrom gandem import Row, hookimpl\n"

GOOD = """
    from dataclasses import replace

    @hookimpl
    def gandem_models():
        return [Row(id="good/wgan", target="good_gan:wgan", title="WGAN")]

    @hookimpl
    def gandem_backends():
        return [Row(id="good/numpy", target="good_gan:Backend")]

    @hookimpl
    def gandem_datasets():
        return (Row(id=f"good/{name}", target="good_gan:dots") for name in ("dots", "dashes"))

    @hookimpl
    def gandem_objectives():
        return [Row(id="good/flat", target="good_gan:Flat")]

    def wgan(*, latent=8):
        return replace(gandem.spec("dcgan", latent=latent), name="wgan")

    class Backend:
        def versions(self): ...
        def devices(self): ...
        def engine(self): ...
        def differentiate(self): ...
        def gradient(self): ...
        def optimise(self): ...

    def dots(argument, data_dir):
        import numpy as np
        from gandem.core.datasets import Dataset
        return Dataset(name=f"dots {argument}", images=np.zeros((2, 4, 4, 1), np.uint8))

    class Flat:
        smoothable = False
        def real(self, ops, logits, target): ...
        def fake(self, ops, logits): ...
        def generator(self, ops, logits): ...
"""


class Shelf:
    """A folder that Python looks into, with other people's distributions in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, code: str = GOOD, *, plugin: str = "", distribution: str = "") -> None:
        """Install a module ``NAME_gan`` as the distribution ``NAME-gan``, plugin ``NAME``."""
        plugin, distribution = plugin or name, distribution or f"{name}-gan"
        (self.folder / f"{name}_gan.py").write_text(HEAD + dedent(code))
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        (info / "entry_points.txt").write_text(f"[gandem]\n{plugin} = {name}_gan\n")
        importlib.invalidate_caches()


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.delenv("GANDEM_PLUGINS", raising=False)
    monkeypatch.delenv("GANDEM_TRACE", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    registry.cache_clear()
    yield Shelf(tmp_path)
    registry.cache_clear()
    for name in [name for name in sys.modules if name.endswith("_gan") and "." not in name]:
        del sys.modules[name]


def found(name: str) -> Plugin:
    (plugin,) = [plugin for plugin in registry().plugins if plugin.name == name]
    return plugin


def ids(table: str) -> list[str]:
    return [row.id for row in registry().rows(table)]


# --- a plugin that works -------------------------------------------------------------------------


def test_a_plugin_is_known_by_its_name_distribution_and_version(shelf):
    shelf.put("good")

    assert found("good") == Plugin(
        "good",
        "good-gan",
        "1.0",
        adds={
            "models": ["good/wgan"],
            "backends": ["good/numpy"],
            "datasets": ["good/dots", "good/dashes"],
            "objectives": ["good/flat"],
        },
    )


@pytest.mark.parametrize("name", ["good/wgan", "wgan"])
def test_a_plugins_model_is_made(shelf, name):
    shelf.put("good")

    assert load_spec(name, {"latent": 5}).latent.size == 5


@pytest.mark.parametrize("name", ["good/numpy", "numpy"])
def test_a_plugins_backend_is_loaded(shelf, name):
    shelf.put("good")

    assert type(load_backend(name)).__name__ == "Backend"


@pytest.mark.parametrize("name", ["good/dots:here", "dots:here"])
def test_a_plugins_data_set_is_loaded(shelf, name):
    shelf.put("good")

    assert load_dataset(name).name == "dots here"


@pytest.mark.parametrize("name", ["good/flat", "flat"])
def test_a_plugins_objective_is_played_for(shelf, name):
    shelf.put("good")

    assert type(load_objective(Objective(name=name))).__name__ == "Flat"


def test_a_spec_may_name_a_plugins_objective(shelf):
    shelf.put("good")

    assert load_spec("dcgan", {"objective.name": "good/flat"}).objective.name == "good/flat"


def test_rows_know_the_distribution_they_came_from(shelf):
    shelf.put("good")

    assert registry().find("models", "good/wgan").provider == "good-gan"


def test_nothing_of_a_plugins_target_is_imported_by_reading_its_rows(shelf):
    shelf.put(
        "lazy",
        """
        @hookimpl
        def gandem_models():
            return [Row(id="lazy/gan", target="not_there:gan")]
        """,
    )

    assert "lazy/gan" in ids("models")
    assert not found("lazy").problems


def test_our_own_rows_come_first_and_the_rest_by_name(shelf):
    shelf.put("good")
    shelf.put("a", GOOD.replace("good/wgan", "a/wgan").replace("good_gan", "a_gan"))

    assert ids("models") == ["cgan", "dcgan", "mlp-gan", "a/wgan", "good/wgan"]


def test_our_own_model_keeps_its_short_name(shelf):
    shelf.put("good", GOOD.replace("good/wgan", "good/dcgan"))

    assert registry().find("models", "dcgan").provider == "gandem"


def test_a_plugin_may_ship_a_catalogue_of_its_own(shelf):
    shelf.put(
        "toml",
        '''
        from gandem.core.registry import rows_from_toml

        ROWS = rows_from_toml("""
            schema = 1
            [[models]]
            id = "toml/gan"
            target = "toml_gan:gan"
            small = { latent = 2 }
            gate = 1e-9
            [[backends]]
            id = "toml/jax"
            target = "toml_gan:load"
            requires = ["jax", "optax"]
            install = "pip install toml-gan[jax]"
        """)

        @hookimpl
        def gandem_models():
            return ROWS["models"]

        @hookimpl
        def gandem_backends():
            return ROWS["backends"]

        @hookimpl
        def gandem_datasets():
            return ROWS["datasets"]
        ''',
    )

    assert found("toml").adds == {"models": ["toml/gan"], "backends": ["toml/jax"]}
    assert registry().find("backends", "jax").requires == ("jax", "optax")
    assert registry().find("models", "toml/gan").small == {"latent": 2}


def test_a_plugin_may_be_an_object(shelf):
    shelf.put(
        "object",
        """
        class Plugin:
            @hookimpl
            def gandem_models(self):
                return [Row(id="object/gan", target="object_gan:gan")]

        plugin = Plugin()
        """,
    )
    info = shelf.folder / "object_gan-1.0.dist-info"
    (info / "entry_points.txt").write_text("[gandem]\nobject = object_gan:plugin\n")

    assert found("object").adds == {"models": ["object/gan"]}


# --- a plugin that does not ----------------------------------------------------------------------

HOOK = """
    @hookimpl
    def gandem_models():
        {}
"""


def rows(*fields: str) -> str:
    return HOOK.format(f"return [{', '.join(f'Row({f})' for f in fields)}]")


NO_ROW = "expected gandem.Row."
BROKEN = {
    "import": (
        "import not_there",
        "could not be loaded: ModuleNotFoundError: No module named 'not_there'",
    ),
    "raises at import": ("1 / 0", "could not be loaded: ZeroDivisionError: division by zero"),
    "many lines": ("raise OSError('a\\nb\\n  c')", "could not be loaded: OSError: a b c"),
    "no words": ("raise OSError", "could not be loaded: OSError"),
    "syntax": ("return", "could not be loaded: SyntaxError: "),
    "exits": ("raise SystemExit(3)", "could not be loaded: SystemExit: 3"),
    "hook raises": (HOOK.format("1 / 0"), "gandem_models failed: ZeroDivisionError: division"),
    "hook exits": (HOOK.format("raise SystemExit"), "gandem_models failed: SystemExit"),
    "hook yields and raises": (
        HOOK.format("yield Row(id='bad/x', target='bad_gan:x'); 1 / 0"),
        "gandem_models failed: ZeroDivisionError",
    ),
    "hook returns nothing": (HOOK.format("return None"), f"gandem_models returned None, {NO_ROW}"),
    "hook returns a number": (HOOK.format("return 3"), f"gandem_models returned 3, {NO_ROW}"),
    "hook returns a text": (HOOK.format("return 'x'"), f"gandem_models returned 'x', {NO_ROW}"),
    "hook returns a row": (
        HOOK.format("return Row(id='bad/x', target='bad_gan:x')"),
        "gandem_models returned Row(id='bad/x', ",
    ),
    "hook returns other things": (
        HOOK.format("return [{'id': 'bad/x'}]"),
        f"gandem_models returned {{'id': 'bad/x'}}, {NO_ROW}",
    ),
    "hook wants an argument": (
        HOOK.replace("()", "(config)").format("return []"),
        "could not be loaded: PluginValidationError: ",
    ),
    "misspelt hook": (
        HOOK.replace("models", "modles").format("return []"),
        "has a hook that gandem does not know: 'gandem_modles'. Did you mean 'gandem_models'?",
    ),
    "no hook": ("", "adds nothing: mark its functions with @gandem.hookimpl."),
    "no mark": (
        "def gandem_models():\n    return []",
        "adds nothing: mark its functions with @gandem.hookimpl.",
    ),
    "no prefix": (
        rows("id='x', target='bad_gan:x'"),
        "the model id 'x' has no prefix; call it 'bad/x'.",
    ),
    "id is a number": (
        rows("id=5, target='bad_gan:x'"),
        "gandem_models failed: TypeError: Row.id: expected a text on one line, received 5.",
    ),
    "id has a space": (
        rows("id='bad/a b', target='bad_gan:x'"),
        "gandem_models failed: ValueError: Row.id: expected a name like 'acme/wgan', received "
        "'bad/a b'.",
    ),
    "id has a colon": (
        rows("id='bad/a:b', target='bad_gan:x'"),
        "gandem_models failed: ValueError: Row.id: expected a name like",
    ),
    "id is a prefix": (
        rows("id='bad/', target='bad_gan:x'"),
        "gandem_models failed: ValueError: Row.id: expected a name like",
    ),
    "target without attribute": (
        rows("id='bad/x', target='bad_gan'"),
        "gandem_models failed: ValueError: Row.target: expected 'package.module:attribute', "
        "received 'bad_gan'.",
    ),
    "target is relative": (
        rows("id='bad/x', target='.bad_gan:x'"),
        "gandem_models failed: ValueError: Row.target: expected 'package.module:attribute', "
        "received '.bad_gan:x'.",
    ),
    "target is the thing itself": (
        rows("id='bad/x', target=len"),
        "gandem_models failed: TypeError: Row.target: expected a text on one line, received "
        "<built-in function len>.",
    ),
    "title of two lines": (
        rows("id='bad/x', target='bad_gan:x', title='a\\nb'"),
        "gandem_models failed: TypeError: Row.title: expected a text on one line, received",
    ),
    "requires a text": (
        rows("id='bad/x', target='bad_gan:x', requires='torch'"),
        "gandem_models failed: TypeError: Row.requires: expected a tuple of module names, "
        "received 'torch'.",
    ),
    "small is no dict": (
        rows("id='bad/x', target='bad_gan:x', small=3"),
        "gandem_models failed: TypeError: Row.small: expected a dict, received 3.",
    ),
    "gate is no number": (
        rows("id='bad/x', target='bad_gan:x', gate='1e-9'"),
        "gandem_models failed: TypeError: Row.gate: expected a number, received '1e-9'.",
    ),
    "unknown field": (
        rows("id='bad/x', target='bad_gan:x', titel='x'"),
        "gandem_models failed: TypeError: ",
    ),
}


@pytest.mark.parametrize(("code", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_by_name_in_one_line(shelf, code, problem):
    shelf.put("bad", code)

    (line,) = found("bad").problems
    assert line.startswith(problem)
    assert line.splitlines() == [line]


@pytest.mark.parametrize("code", [code for code, _ in BROKEN.values()], ids=BROKEN)
def test_a_broken_plugin_adds_nothing_and_takes_nothing_down(shelf, code):
    shelf.put("bad", code)
    shelf.put("good")

    assert ids("models") == ["cgan", "dcgan", "mlp-gan", "good/wgan"]
    assert not found("good").problems


def test_an_interrupt_while_a_plugin_loads_is_an_interrupt(shelf):
    shelf.put("bad", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        registry()


def test_a_hook_that_fails_leaves_the_plugins_other_hooks_alone(shelf):
    shelf.put("good", GOOD.replace('Row(id="good/wgan"', '1 / 0, Row(id="good/wgan"'))

    assert found("good").problems == ["gandem_models failed: ZeroDivisionError: division by zero"]
    assert registry().find("backends", "good/numpy").provider == "good-gan"


def test_a_wrong_row_leaves_the_right_ones_beside_it_alone(shelf):
    shelf.put("half", rows("id='x', target='half_gan:x'", "id='half/y', target='half_gan:y'"))

    assert found("half").adds == {"models": ["half/y"]}


def test_a_plugin_with_a_wrong_hook_leaves_none_of_its_others_behind(shelf):
    """pluggy 1.6 registers the hooks in front of one that it refuses."""
    shelf.put("half", GOOD + HOOK.replace("models()", "objectives(config)").format("return []"))

    assert found("half").adds == {}
    assert registry().find("models", "dcgan").provider == "gandem"


def test_an_entry_point_that_leads_nowhere_is_reported(shelf):
    shelf.put("lost")
    (shelf.folder / "lost_gan.py").unlink()

    (line,) = found("lost").problems
    assert line == "could not be loaded: ModuleNotFoundError: No module named 'lost_gan'"


def test_an_entry_point_without_a_distribution_is_a_plugin_like_any_other(shelf, monkeypatch):
    shelf.put("good")
    point = EntryPoint(name="good", value="good_gan", group="gandem")
    monkeypatch.setattr(module, "entry_points", lambda group: [point])

    assert found("good").adds["models"] == ["good/wgan"]
    assert found("good").distribution == "?"


def test_a_distribution_without_metadata_is_a_plugin_like_any_other(shelf):
    shelf.put("good")
    (shelf.folder / "good_gan-1.0.dist-info" / "METADATA").unlink()

    assert found("good").adds["models"] == ["good/wgan"]


# --- two owners of one name ----------------------------------------------------------------------


@pytest.fixture
def clash(shelf):
    shelf.put("good")
    shelf.put("rival", GOOD.replace("good_gan", "rival_gan").replace("good/numpy", "rival/numpy"))
    return shelf


@pytest.mark.parametrize("name", ["good/wgan", "wgan"])
def test_a_name_with_two_owners_is_refused_naming_both(clash, name):
    with pytest.raises(ClashError) as caught:
        registry().find("models", name)

    assert str(caught.value) == (
        f"The model name {name!r} has several owners: 'good/wgan' of good-gan and 'good/wgan' of "
        "rival-gan; uninstall one, or choose with GANDEM_PLUGINS which load."
    )


def test_a_short_name_that_two_own_is_refused_with_the_whole_names(clash):
    with pytest.raises(ClashError) as caught:
        registry().find("backends", "numpy")

    assert str(caught.value) == (
        "The backend name 'numpy' has several owners: 'good/numpy' of good-gan and 'rival/numpy' "
        "of rival-gan; write the whole name."
    )


@pytest.mark.parametrize("name", ["good/numpy", "rival/numpy"])
def test_the_whole_name_is_enough_where_only_the_short_one_clashes(clash, name):
    assert registry().find("backends", name).id == name


@pytest.mark.parametrize("plugin", ["good", "rival"])
def test_both_owners_are_reported(clash, plugin):
    line = "the model 'good/wgan' has several owners: good-gan and rival-gan."

    assert line in found(plugin).problems


def test_a_clash_leaves_every_other_name_alone(clash):
    assert registry().find("models", "dcgan").provider == "gandem"


def test_a_clash_is_no_problem_of_a_third_plugin(clash):
    clash.put("third", rows("id='third/x', target='third_gan:x'"))

    assert not found("third").problems


def test_choosing_one_owner_ends_the_clash(clash, monkeypatch):
    monkeypatch.setenv("GANDEM_PLUGINS", "rival")

    assert registry().find("models", "wgan").provider == "rival-gan"


def test_two_distributions_may_call_their_plugin_the_same(shelf):
    shelf.put("one", rows("id='one/x', target='one_gan:x'"), plugin="plugin")
    shelf.put("two", rows("id='two/x', target='two_gan:x'"), plugin="plugin")

    providers = {row.id: row.provider for row in registry().rows("models")}
    assert (providers["one/x"], providers["two/x"]) == ("one-gan", "two-gan")


def test_a_plugin_that_calls_itself_gandem_is_still_a_strangers(shelf):
    shelf.put("fake", rows("id='dcgan', target='fake_gan:x'"), plugin="gandem")

    assert registry().find("models", "dcgan").provider == "gandem"
    assert ["fake-gan"] == [p.distribution for p in registry().plugins if p.problems]


def test_one_module_under_two_names_is_registered_once(shelf):
    shelf.put("good")
    info = shelf.folder / "good_gan-1.0.dist-info"
    (info / "entry_points.txt").write_text("[gandem]\ngood = good_gan\nsame = good_gan\n")

    assert ids("models").count("good/wgan") == 1
    assert found("same").problems[0].startswith("could not be loaded: ValueError: ")


# --- choosing and tracing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "loaded"),
    [
        (None, ["good", "rival"]),
        ("", []),
        (" ", []),
        (",", []),
        ("good", ["good"]),
        ("rival-gan", ["rival"]),
        ("Rival_Gan", ["rival"]),
        ("good, rival-gan", ["good", "rival"]),
        ("good,rival,", ["good", "rival"]),
    ],
)
def test_gandem_plugins_chooses_by_name_or_distribution(clash, monkeypatch, wanted, loaded):
    if wanted is not None:
        monkeypatch.setenv("GANDEM_PLUGINS", wanted)

    plugins = registry().plugins
    assert [plugin.name for plugin in plugins if plugin.distribution != "gandem"] == loaded


def test_a_plugin_that_is_not_chosen_is_not_imported(shelf, monkeypatch):
    shelf.put("bad", "raise SystemExit")
    monkeypatch.setenv("GANDEM_PLUGINS", "")

    registry()

    assert "bad_gan" not in sys.modules


def test_a_chosen_plugin_that_is_not_there_is_reported_with_the_nearest(shelf, monkeypatch):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_PLUGINS", "goood")

    assert found("goood").problems == [
        "GANDEM_PLUGINS names it, but no such plugin is installed. Did you mean 'good'?"
    ]


def test_a_trace_tells_of_every_hook_on_standard_error(shelf, monkeypatch, capsys):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_TRACE", "1")

    registry()

    traced = capsys.readouterr()
    assert "gandem_models of good: good/wgan" in traced.err
    assert "gandem_models of gandem: mlp-gan, dcgan, cgan" in traced.err
    assert traced.out == ""


@pytest.mark.parametrize("value", ["", "0"])
def test_without_a_trace_nothing_is_written(shelf, monkeypatch, capsys, value):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_TRACE", value)

    registry()

    assert capsys.readouterr() == ("", "")


# --- from a row to the thing ---------------------------------------------------------------------


def in_table(table: str, **fields: object) -> str:
    given = ", ".join(f"{key}={value!r}" for key, value in {"id": "it/x", **fields}.items())
    return f"@hookimpl\ndef gandem_{table}():\n    return [Row({given})]\n"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("not_there:x", "ModuleNotFoundError: No module named 'not_there'"),
        ("it_gan.sub:x", "ModuleNotFoundError: No module named 'it_gan.sub'; "),
        ("it_gan:x", "AttributeError: module 'it_gan' has no attribute 'x'"),
        ("bad_gan:x", "ZeroDivisionError: division by zero"),
        ("exits_gan:x", "SystemExit: 3"),
    ],
)
@pytest.mark.parametrize(
    ("table", "word", "load"),
    [
        ("models", "model", load_spec),
        ("backends", "backend", load_backend),
        ("datasets", "data set", load_dataset),
        ("objectives", "objective", lambda name: load_objective(Objective(name=name))),
    ],
)
def test_a_target_that_cannot_be_loaded_is_one_line(shelf, target, reason, table, word, load):
    shelf.put("it", in_table(table, target=target))
    (shelf.folder / "bad_gan.py").write_text("1 / 0")
    (shelf.folder / "exits_gan.py").write_text("raise SystemExit(3)")

    with pytest.raises(NotFoundError) as caught:
        load("it/x")

    line = str(caught.value)
    assert line.startswith(f"The {word} 'it/x' of it-gan could not be loaded: {reason}")
    assert line.splitlines() == [line]


# --- in a process of its own ---------------------------------------------------------------------


def gandem(shelf: Shelf, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GANDEM")}
    return subprocess.run(
        [sys.executable, "-m", "gandem", *arguments],
        env=environment | {"PYTHONPATH": str(shelf.folder)},
        cwd=shelf.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_command_lists_what_a_plugin_adds_beside_one_that_exits(shelf):
    shelf.put("good")
    shelf.put("bad", "raise SystemExit(3)")

    done = gandem(shelf, "list", "--json")

    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert {"id": "good/wgan", "title": "WGAN", "paper": "", "provider": "good-gan"} in listed[
        "models"
    ]


def test_the_command_reports_what_is_wrong_with_a_plugin(shelf):
    shelf.put("bad", "import not_there")

    done = gandem(shelf, "plugins")

    assert done.returncode == 0, done.stderr
    assert "could not be loaded: ModuleNotFoundError: No module named 'not_there'" in done.stdout


def test_images_of_a_plugins_data_set_are_what_it_made(shelf):
    shelf.put("good")

    np.testing.assert_array_equal(load_dataset("dots").images, np.zeros((2, 4, 4, 1)))
