"""Plugins: an installed distribution adds entries; a broken one is skipped and reported."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from support.commands import said

import gandem
from gandem.core.data.dataset import default_extractor, load_dataset
from gandem.core.errors import ClashError, GandemError, NotFoundError
from gandem.core.plugins import discovery as module
from gandem.core.plugins.discovery import Plugin, find_version
from gandem.core.plugins.installation import install_command
from gandem.core.plugins.registry import registry
from gandem.core.runs.callbacks import IsolatedCallback, load_callbacks
from gandem.core.specs import LeakyRelu, Loss
from gandem.core.specs.loading import load_spec
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss
from gandem.metrics.evaluation.features import load_extractor

HEAD = "import gandem\nfrom gandem import Entry, hookimpl\n"

OURS = sorted(entry.id for entry in gandem.entries("gandem")["models"])

GOOD = """
    from dataclasses import replace

    @hookimpl
    def gandem_models():
        return [Entry(id="good/began", target="good_gan:began", title="WGAN")]

    @hookimpl
    def gandem_layers():
        return [Entry(id="good/soft", target="good_gan:soft", title="A soft relu")]

    @hookimpl
    def gandem_backends():
        return [Entry(id="good/numpy", target="good_gan:Backend")]

    @hookimpl
    def gandem_datasets():
        return (Entry(id=f"good/{name}", target="good_gan:dots", extractor="good/sums")
                for name in ("dots", "dashes"))

    @hookimpl
    def gandem_losses():
        return [Entry(id="good/flat", target="good_gan:Flat")]

    @hookimpl
    def gandem_extractors():
        return [Entry(id="good/sums", target="good_gan:sums")]

    @hookimpl
    def gandem_callbacks():
        return [Entry(id="good/listener", target="good_gan:listener")]

    def began(*, latent=8):
        return replace(gandem.spec("dcgan", latent=latent), name="began")

    def soft(*, slope=0.5):
        from gandem.core.specs import LeakyRelu
        return LeakyRelu(slope=slope)

    class Backend:
        capabilities = ()
        def versions(self): ...
        def devices(self): ...
        def engine(self): ...

    def dots(argument, data_dir):
        import numpy as np
        from gandem.core.data.dataset import Dataset
        return Dataset(name=f"dots {argument}", images=np.zeros((2, 4, 4, 1), np.uint8))

    class Flat:
        smoothable = False
        def real(self, ops, logits, target): ...
        def fake(self, ops, logits): ...
        def generator(self, ops, logits): ...

    def sums(argument, backend):
        return Sums()

    class Sums:
        name, digest, classes = "good/sums", "1", 0
        def __call__(self, images):
            return images.sum(axis=(1, 2)), None

    def listener():
        class Listener(gandem.Callback):
            order = 7
        return Listener()
"""


class Shelf:
    """A folder on the path with third-party distributions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def distributions(self) -> Iterator[Distribution]:
        """Return the distributions of this folder only."""
        return distributions(path=[os.fspath(self.folder)])

    def put(
        self,
        name: str,
        code: str = GOOD,
        *,
        plugin: str = "",
        distribution: str = "",
        requires: tuple[str, ...] = (),
        point: str = "",
    ) -> Path:
        """Install a module ``NAME_gan`` as the distribution ``NAME-gan``, plugin ``NAME``, and
        return the folder of its metadata.
        """
        plugin, distribution = plugin or name, distribution or f"{name}-gan"
        (self.folder / f"{name}_gan.py").write_text(HEAD + dedent(code))
        info = self.folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
            + "".join(f"Requires-Dist: {text}\n" for text in requires)
        )
        (info / "entry_points.txt").write_text(f"[gandem]\n{plugin} = {point or name + '_gan'}\n")
        importlib.invalidate_caches()
        return info


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    monkeypatch.delenv("GANDEM_PLUGINS", raising=False)
    monkeypatch.delenv("GANDEM_TRACE", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    registry.cache_clear()
    shelf = Shelf(tmp_path)
    monkeypatch.setattr(module, "distributions", shelf.distributions)
    yield shelf
    registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0].endswith("_gan")]:
        del sys.modules[name]


def found(name: str) -> Plugin:
    (plugin,) = [plugin for plugin in registry().plugins if plugin.name == name]
    return plugin


def ids(table: str) -> list[str]:
    return [entry.id for entry in registry().entries(table)]


# --- working plugins -----------------------------------------------------------------------------


def test_a_plugin_is_known_by_its_name_distribution_and_version(shelf):
    shelf.put("good")

    assert found("good") == Plugin(
        "good",
        "good-gan",
        "1.0",
        adds={
            "models": ["good/began"],
            "layers": ["good/soft"],
            "backends": ["good/numpy"],
            "datasets": ["good/dots", "good/dashes"],
            "losses": ["good/flat"],
            "extractors": ["good/sums"],
            "callbacks": ["good/listener"],
        },
    )


@pytest.mark.parametrize("name", ["good/began", "began"])
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
def test_a_plugins_loss_is_loaded(shelf, name):
    shelf.put("good")

    assert type(load_loss(Loss(name=name))).__name__ == "Flat"


@pytest.mark.parametrize("name", ["good/sums", "sums", "sums:words"])
def test_a_plugins_extractor_is_loaded(shelf, name):
    shelf.put("good")

    features, _ = load_extractor(name, "torch")(np.ones((2, 4, 4, 1), np.uint8))

    assert features.tolist() == [[16], [16]]


@pytest.mark.parametrize("name", ["good/dots", "dots", "dots:words", "dots[3,8]"])
def test_a_plugins_data_set_names_its_default_extractor(shelf, name):
    shelf.put("good")

    assert default_extractor(name) == "good/sums"


def test_a_plugins_callback_is_made_for_a_training_and_isolated(shelf):
    shelf.put("good")

    (callback,) = [c for c in load_callbacks(pytest.fail) if isinstance(c, IsolatedCallback)]

    assert callback.order == 7


def test_a_plugins_callback_that_exits_when_it_is_made_is_reported_and_skipped(shelf):
    shelf.put("good", GOOD.replace("return Listener()", "raise SystemExit(3)"))
    notices = []

    callbacks = load_callbacks(notices.append)

    assert not [callback for callback in callbacks if isinstance(callback, IsolatedCallback)]
    assert notices == [
        "The callback 'good/listener' of good-gan could not be created: SystemExit: 3"
    ]


def test_a_spec_may_name_a_plugins_loss(shelf):
    shelf.put("good")

    assert gandem.spec("dcgan", **{"loss.name": "good/flat"}).loss.name == "good/flat"


@pytest.mark.parametrize("kind", ["good/soft", "soft"])
def test_a_setting_may_name_a_plugins_layer(shelf, kind):
    shelf.put("good")

    spec = load_spec("dcgan", {"discriminator.layers.1": {"kind": kind, "slope": 0.25}})
    assert spec.player("discriminator").layers[1] == LeakyRelu(slope=0.25)


def test_entries_have_the_distribution_they_came_from(shelf):
    shelf.put("good")

    assert registry().find("models", "good/began").provider == "good-gan"


def test_reading_entries_does_not_import_their_targets(shelf):
    shelf.put(
        "lazy",
        """
        @hookimpl
        def gandem_models():
            return [Entry(id="lazy/gan", target="not_there:gan")]
        """,
    )

    assert "lazy/gan" in ids("models")
    assert not found("lazy").problems


def test_own_entries_come_first_and_the_rest_by_name(shelf):
    shelf.put("good")
    shelf.put("a", GOOD.replace("good/began", "a/began").replace("good_gan", "a_gan"))

    assert ids("models") == [*OURS, "a/began", "good/began"]


def test_own_model_keeps_its_short_name(shelf):
    shelf.put("good", GOOD.replace("good/began", "good/dcgan"))

    assert registry().find("models", "dcgan").provider == "gandem"


REGISTRY_FILE = """
    schema = 1
    [[models]]
    id = "toml/gan"
    target = "toml_gan:gan"
    small = { latent = 2 }
    tolerance = 1e-9
    [[layers]]
    id = "toml/soft"
    target = "toml_gan:soft"
    [[backends]]
    id = "toml/jax"
    target = "toml_gan:load"
    requires = ["jax", "optax"]
    install = "pip install toml-gan[jax]"
"""
TABLES = ("models", "layers", "backends", "datasets")


@pytest.fixture
def package(shelf):
    """A package with hooks in a module of its own and a registry file."""
    shelf.put("toml", point="toml_gan.hooks")
    (shelf.folder / "toml_gan.py").unlink()
    folder = shelf.folder / "toml_gan"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    hooks = [f"@hookimpl\ndef gandem_{t}(): return gandem.entries(__name__)['{t}']" for t in TABLES]
    (folder / "hooks.py").write_text(HEAD + "\n".join(hooks))
    (folder / "registry.toml").write_text(REGISTRY_FILE)
    return folder


def test_a_plugin_may_ship_a_registry_file(package):
    assert found("toml").adds == {
        "models": ["toml/gan"],
        "layers": ["toml/soft"],
        "backends": ["toml/jax"],
    }
    assert found("toml").problems == []
    assert registry().find("backends", "jax").requires == ("jax", "optax")
    assert registry().find("models", "toml/gan").small == {"latent": 2}
    assert registry().find("models", "toml/gan").provider == "toml-gan"


@pytest.mark.parametrize("name", ["toml_gan", "toml_gan.hooks"])
def test_a_registry_file_is_found_by_its_package_or_a_module_in_it(package, name):
    assert [entry.id for entry in gandem.entries(name)["models"]] == ["toml/gan"]


def test_the_own_registry_file_is_read_the_same_way():
    assert [entry.id for entry in gandem.entries("gandem")["backends"]] == ["torch", "keras"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda path: path.write_text("schema = 2"),
            "toml_gan/registry.toml: expected schema = 1; upgrade gandem.",
        ),
        (
            lambda path: path.write_text("schema = 1\n[[modles]]\nid = 'x'"),
            "toml_gan/registry.toml: unknown kind 'modles'. Did you mean 'models'?",
        ),
        (
            lambda path: path.write_text("schema = 1\n[[models]]\nid = 'a/x'\ntitel = 'x'"),
            "toml_gan/registry.toml: unknown field 'titel' in models. Did you mean 'title'?",
        ),
        (
            lambda path: path.unlink(),
            "toml_gan/registry.toml: cannot be read (No such file or directory). Is it listed in "
            "the package data?",
        ),
        (
            lambda path: path.write_bytes(b"\xff"),
            "toml_gan/registry.toml: cannot be read ('utf-8' codec can't decode byte 0xff in",
        ),
    ],
)
def test_an_invalid_registry_file_is_a_problem_of_its_plugin(package, change, words):
    change(package / "registry.toml")

    assert found("toml").adds == {}
    assert found("toml").problems[0].startswith((words, f"gandem_models failed: {words}"))
    assert "dcgan" in ids("models")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "not_there",
            "registry.toml: no package named 'not_there' (No module named 'not_there').",
        ),
        ("good_gan", "registry.toml: 'good_gan' is a module outside a package."),
    ],
)
def test_a_registry_file_outside_a_package_is_refused(shelf, name, words):
    shelf.put("good")

    with pytest.raises(GandemError) as caught:
        gandem.entries(name)
    assert str(caught.value).startswith(words)


def test_a_plugin_may_be_an_object(shelf):
    shelf.put(
        "object",
        """
        class Plugin:
            @hookimpl
            def gandem_models(self):
                return [Entry(id="object/gan", target="object_gan:gan")]

        plugin = Plugin()
        """,
    )
    info = shelf.folder / "object_gan-1.0.dist-info"
    (info / "entry_points.txt").write_text("[gandem]\nobject = object_gan:plugin\n")

    assert found("object").adds == {"models": ["object/gan"]}


# --- broken plugins ------------------------------------------------------------------------------

HOOK = """
    @hookimpl
    def gandem_models():
        {}
"""


def models(*fields: str) -> str:
    return HOOK.format(f"return [{', '.join(f'Entry({f})' for f in fields)}]")


NONE = "expected gandem.Entry."
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
    "raises what nobody catches": (
        "class Stop(BaseException): ...\nraise Stop('now')",
        "could not be loaded: Stop: now",
    ),
    "generator exits": ("raise GeneratorExit", "could not be loaded: GeneratorExit"),
    "colors": ("raise OSError('\\x1b[31mred')", r"could not be loaded: OSError: \x1b[31mred"),
    "half a letter": ("raise OSError('\\udc80')", r"could not be loaded: OSError: \udc80"),
    "words cannot be had": (
        "class Odd(Exception):\n    def __str__(self): 1 / 0\nraise Odd",
        "could not be loaded: Odd",
    ),
    "asks for the registry": (
        "from gandem.core.plugins.registry import registry\nregistry()",
        "could not be loaded: the registry is still being read; use it, or a spec, only in targets "
        "of entries.",
    ),
    "asks for a spec": (
        "gandem.spec('dcgan')",
        "could not be loaded: the registry is still being read;",
    ),
    "hook asks for the registry": (
        HOOK.format(
            "from gandem.core.plugins.registry import registry; return registry().entries('models')"
        ),
        "gandem_models failed: the registry is still being read;",
    ),
    "hook raises what nobody catches": (
        HOOK.format("raise GeneratorExit"),
        "gandem_models failed: GeneratorExit",
    ),
    "hook yields and raises what nobody catches": (
        HOOK.format("yield Entry(id='bad/x', target='bad_gan:x'); raise GeneratorExit"),
        "gandem_models failed: GeneratorExit",
    ),
    "hook never ends": (
        HOOK.format("while True: yield Entry(id='bad/x', target='bad_gan:x')"),
        "gandem_models returned more than 10,000 entries.",
    ),
    "hook returns what cannot be printed": (
        "class Odd:\n    def __repr__(self): 1 / 0\n" + dedent(HOOK.format("return Odd()")),
        f"gandem_models returned Odd that cannot be printed, {NONE}",
    ),
    "hook returns entries that cannot be printed": (
        "class Odd:\n    def __repr__(self): 1 / 0\n" + dedent(HOOK.format("return [Odd()]")),
        f"gandem_models returned Odd that cannot be printed, {NONE}",
    ),
    "hook is async": (
        HOOK.replace("def", "async def").format("return []"),
        "could not be loaded: gandem_models must be a plain function, without async.",
    ),
    "hook has a default": (
        HOOK.replace("()", "(config=3)").format("return []"),
        "could not be loaded: gandem_models must not have parameters.",
    ),
    "hook wants a keyword": (
        HOOK.replace("()", "(*, config)").format("return []"),
        "could not be loaded: gandem_models must not have parameters.",
    ),
    "half an entry": (
        HOOK.format("return [object.__new__(Entry)]"),
        "gandem_models returned Entry that cannot be printed, expected gandem.Entry.",
    ),
    "entry turned into something else": (
        HOOK.format(
            "r = Entry(id='bad/x', target='a:b'); object.__setattr__(r, 'id', 3); return [r]"
        ),
        "gandem_models returned Entry(id=3, ",
    ),
    "id has our prefix": (
        HOOK.format("return [Entry(id='gandem/x', target='a:b')]"),
        "the model id 'gandem/x' uses gandem's own prefix; choose another.",
    ),
    "id begins with a hyphen": (
        HOOK.format("return [Entry(id='-bad/x', target='a:b')]"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received",
    ),
    "id leads up": (
        HOOK.format("return [Entry(id='../x', target='a:b')]"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received",
    ),
    "id has two slashes": (
        HOOK.format("return [Entry(id='bad/x/y', target='a:b')]"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received",
    ),
    "id is a book": (
        HOOK.format("return [Entry(id='bad/' + 'x' * 200, target='a:b')]"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received",
    ),
    "id is a file's": (
        HOOK.format("return [Entry(id='bad/x.toml', target='a:b')]"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received",
    ),
    "hook raises": (HOOK.format("1 / 0"), "gandem_models failed: ZeroDivisionError: division"),
    "hook exits": (HOOK.format("raise SystemExit"), "gandem_models failed: SystemExit"),
    "hook yields and raises": (
        HOOK.format("yield Entry(id='bad/x', target='bad_gan:x'); 1 / 0"),
        "gandem_models failed: ZeroDivisionError",
    ),
    "hook returns nothing": (
        HOOK.format("return None"),
        f"gandem_models returned None, {NONE}",
    ),
    "hook returns a number": (HOOK.format("return 3"), f"gandem_models returned 3, {NONE}"),
    "hook returns a text": (HOOK.format("return 'x'"), f"gandem_models returned 'x', {NONE}"),
    "hook returns an entry": (
        HOOK.format("return Entry(id='bad/x', target='bad_gan:x')"),
        "gandem_models returned Entry(id='bad/x', ",
    ),
    "hook returns other things": (
        HOOK.format("return [{'id': 'bad/x'}]"),
        f"gandem_models returned {{'id': 'bad/x'}}, {NONE}",
    ),
    "hook wants an argument": (
        HOOK.replace("()", "(config)").format("return []"),
        "could not be loaded: gandem_models must not have parameters.",
    ),
    "misspelt hook": (
        HOOK.replace("models", "modles").format("return []"),
        "could not be loaded: there is no hook 'gandem_modles'. Did you mean 'gandem_models'?",
    ),
    "no hook": ("", "adds nothing: mark its hooks with @gandem.hookimpl."),
    "no mark": (
        "def gandem_models():\n    return []",
        "adds nothing: mark its hooks with @gandem.hookimpl.",
    ),
    "no prefix": (
        models("id='x', target='bad_gan:x'"),
        "the model id 'x' has no prefix; call it 'bad/x'.",
    ),
    "alias has no prefix": (
        models("id='bad/x', target='bad_gan:x', aliases=('y',)"),
        "the model id 'y' has no prefix; call it 'bad/y'.",
    ),
    "id is a number": (
        models("id=5, target='bad_gan:x'"),
        "gandem_models: Entry.id: expected a string on one line, received 5.",
    ),
    "id has a space": (
        models("id='bad/a b', target='bad_gan:x'"),
        "gandem_models: Entry.id: expected a name like 'acme/wgan', received 'bad/a b'.",
    ),
    "id has a colon": (
        models("id='bad/a:b', target='bad_gan:x'"),
        "gandem_models: Entry.id: expected a name like",
    ),
    "id is a prefix": (
        models("id='bad/', target='bad_gan:x'"),
        "gandem_models: Entry.id: expected a name like",
    ),
    "target without attribute": (
        models("id='bad/x', target='bad_gan'"),
        "gandem_models: Entry.target: expected 'package.module:attribute', received 'bad_gan'.",
    ),
    "target is relative": (
        models("id='bad/x', target='.bad_gan:x'"),
        "gandem_models: Entry.target: expected 'package.module:attribute', received '.bad_gan:x'.",
    ),
    "target is the thing itself": (
        models("id='bad/x', target=len"),
        "gandem_models: Entry.target: expected a string on one line, received "
        "<built-in function len>.",
    ),
    "conformance without attribute": (
        models("id='bad/x', target='bad_gan:x', conformance='bad_gan'"),
        "gandem_models: Entry.conformance: expected "
        "'package.module:attribute', received 'bad_gan'.",
    ),
    "title of two lines": (
        models("id='bad/x', target='bad_gan:x', title='a\\nb'"),
        "gandem_models: Entry.title: expected a string on one line, received",
    ),
    "requires a text": (
        models("id='bad/x', target='bad_gan:x', requires='torch'"),
        "gandem_models: Entry.requires: expected a tuple of module names, received 'torch'.",
    ),
    "small is no dict": (
        models("id='bad/x', target='bad_gan:x', small=3"),
        "gandem_models: Entry.small: expected a dict, received 3.",
    ),
    "tolerance is no number": (
        models("id='bad/x', target='bad_gan:x', tolerance='1e-9'"),
        "gandem_models: Entry.tolerance: expected a number, received '1e-9'.",
    ),
    "unknown field": (
        models("id='bad/x', target='bad_gan:x', titel='x'"),
        "gandem_models: Entry.__init__() got an unexpected keyword argument 'titel'",
    ),
}


@pytest.mark.parametrize(("code", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_in_one_line_and_skipped(shelf, code, problem):
    shelf.put("bad", code)
    shelf.put("good")

    (line,) = found("bad").problems
    assert line.startswith(problem)
    assert line.splitlines() == [line]
    assert ids("models") == [*OURS, "good/began"]
    assert not found("good").problems


def test_a_long_error_is_shortened(shelf):
    shelf.put("bad", "raise OSError('x' * 10**6)")

    (line,) = found("bad").problems
    assert len(line) < 600
    assert line.endswith("x…")


def test_an_entry_that_is_listed_twice_counts_once(shelf):
    entry = "id='half/y', target='half_gan:y'"
    shelf.put("half", models(entry, entry))

    assert found("half").adds == {"models": ["half/y"]}
    assert found("half").problems == ["the model id 'half/y' is listed twice; the first counts."]
    assert registry().find("models", "half/y").provider == "half-gan"


def test_an_entry_of_a_subclass_becomes_a_plain_entry(shelf):
    shelf.put(
        "own",
        """
        class Mine(Entry):
            extra = "lost"

        @hookimpl
        def gandem_models():
            return [Mine(id='own/x', target='own_gan:x')]
        """,
    )

    assert type(registry().find("models", "own/x")) is module.Entry


def test_several_plugins_that_ask_for_the_registry_do_not_recurse(shelf):
    code = HOOK.format(
        "from gandem.core.plugins.registry import registry; return registry().entries('x')"
    )
    for name in ("one", "two", "three"):
        shelf.put(name, code)
    shelf.put("good")

    assert "good/began" in ids("models")
    assert all("still being read" in found(name).problems[0] for name in ("one", "two", "three"))


def test_a_plugin_may_import_the_command(shelf):
    shelf.put("good", f"import gandem.cli\n{dedent(GOOD)}")

    assert found("good").problems == []


def test_an_interrupt_while_a_plugin_loads_is_an_interrupt(shelf):
    shelf.put("bad", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        registry()


def test_a_hook_that_fails_leaves_the_plugins_other_hooks_alone(shelf):
    shelf.put("good", GOOD.replace('Entry(id="good/began"', '1 / 0, Entry(id="good/began"'))

    assert found("good").problems == ["gandem_models failed: ZeroDivisionError: division by zero"]
    assert registry().find("backends", "good/numpy").provider == "good-gan"


@pytest.mark.parametrize(
    "invalid",
    [
        "id='x', target='half_gan:x'",
        "id='half/a b', target='half_gan:x'",
        "id='half/x', target='half_gan'",
        "id='half/x', target='half_gan:x', titel='x'",
        "id='half/x'",
        "id='half/x', target='half_gan:x', requires='torch'",
    ],
)
def test_an_invalid_entry_leaves_valid_entries_of_its_hook_alone(shelf, invalid):
    valid = ["id='half/w', target='half_gan:w'", "id='half/y', target='half_gan:y'"]
    shelf.put("half", models(valid[0], invalid, valid[1]))

    assert found("half").adds == {"models": ["half/w", "half/y"]}
    assert len(found("half").problems) == 1


def test_an_invalid_entry_made_while_its_module_is_imported_leaves_valid_ones_alone(shelf):
    entries = "[Entry(id='half/y', target='half_gan:y'), Entry(id='half/x', target=len)]"
    shelf.put("half", f"ALL = {entries}\n{dedent(HOOK.format('return ALL'))}")

    assert found("half").adds == {"models": ["half/y"]}
    assert "received <built-in function len>" in found("half").problems[0]


@pytest.mark.parametrize(
    ("invalid", "problem"),
    [
        ("[[models]]\nid = 'toml/x'\ntarget = 'a:b'\ntitel = 'x'", "unknown field 'titel'"),
        ("[[models]]\nid = 'toml/x'", "an entry of models has no 'target'"),
        ("[[models]]\nid = 'a b'\ntarget = 'a:b'", "models: Entry.id: expected a name"),
        ("[[modles]]\nid = 'toml/x'\ntarget = 'a:b'", "unknown kind 'modles'"),
    ],
)
def test_an_invalid_table_of_a_registry_file_leaves_the_others_alone(package, invalid, problem):
    valid = "[[models]]\nid = 'toml/y'\ntarget = 'toml_gan:y'"
    (package / "registry.toml").write_text(f"schema = 1\n{invalid}\n{valid}\n")

    assert found("toml").adds == {"models": ["toml/y"]}
    assert problem in found("toml").problems[0]
    assert len(found("toml").problems) == 1


def test_an_invalid_entry_outside_of_plugins_is_an_error():
    with pytest.raises(ValueError, match="expected a name like"):
        gandem.Entry(id="a b", target="a:b")


def test_a_plugin_with_an_invalid_hook_adds_nothing(shelf):
    shelf.put("half", GOOD + HOOK.replace("models()", "losses(config)").format("return []"))

    assert found("half").adds == {}
    assert registry().find("models", "dcgan").provider == "gandem"


def test_an_entry_point_of_a_missing_module_is_reported(shelf):
    shelf.put("lost")
    (shelf.folder / "lost_gan.py").unlink()

    (line,) = found("lost").problems
    assert line == "could not be loaded: ModuleNotFoundError: No module named 'lost_gan'"


@pytest.mark.parametrize("value", ["bad-gan", "not a module!", "bad_gan:", "", "bad_gan:a-b"])
def test_an_invalid_entry_point_is_reported_with_the_expected_form(shelf, value):
    shelf.put("bad", point=value or " ")
    shelf.put("good")

    (plugin,) = [p for p in registry().plugins if p.distribution == "bad-gan"]
    assert plugin.loaded is False
    assert plugin.problems[0].startswith("could not be loaded: its entry")
    assert "good/began" in ids("models")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("bad_gan:number", "adds nothing: mark its hooks with @gandem.hookimpl."),
        ("bad_gan:nothing", "adds nothing: mark its hooks with @gandem.hookimpl."),
        ("bad_gan:function", "adds nothing: mark its hooks with @gandem.hookimpl."),
        (
            "bad_gan:Plugin",
            "could not be loaded: expected a module or an instance, received a class.",
        ),
        ("bad_gan:absent", "could not be loaded: AttributeError: module 'bad_gan' has no attri"),
    ],
)
def test_an_entry_point_may_name_an_object(shelf, value, problem):
    code = """
        number, nothing = 3, None
        def function(): ...
        class Plugin:
            @hookimpl
            def gandem_models(self): return []
        """
    shelf.put("bad", code, point=value)
    shelf.put("good")

    (line,) = found("bad").problems
    assert line.startswith(problem)
    assert "good/began" in ids("models")


ODD = {
    "equals everything": "def __eq__(self, other): return True",
    "cannot be compared": "def __eq__(self, other): 1 / 0",
    "has every attribute": "def __getattr__(self, name): return self",
    "has attributes that raise": "bad = property(lambda self: 1 / 0)",
    "cannot be hashed": "__hash__ = None",
    "is false": "def __bool__(self): return False",
}


@pytest.mark.parametrize("oddity", ODD.values(), ids=ODD)
def test_an_object_with_odd_methods_is_a_plugin(shelf, oddity):
    code = """
        class Plugin:
            ODDITY
            @hookimpl
            def gandem_models(self): return [Entry(id="NAME/x", target="NAME_gan:x")]
        plugin = Plugin()
        """.replace("ODDITY", oddity)
    for name in ("odd", "odder"):
        shelf.put(name, code.replace("NAME", name), point=f"{name}_gan:plugin")
    shelf.put("good")

    assert {"odd/x", "odder/x", "good/began"} < set(ids("models"))
    assert [p.problems for p in registry().plugins] == [[], [], [], []]


def test_lazy_names_of_a_module_are_not_loaded(shelf):
    lazy = """
        def __getattr__(name):
            raise SystemExit(name)
        def __dir__():
            return ["torch", "gandem_models"]
        """
    shelf.put("good", dedent(lazy) + dedent(GOOD))

    assert found("good").problems == []
    assert "good/began" in ids("models")


@pytest.mark.parametrize(
    "text",
    [b"[gandem]\nbad_gan\n", b"[gandem]\n= bad_gan\n = \n[", b"[gandem]\nbad = \xff\n"],
    ids=["no equals", "no name", "no text"],
)
def test_a_damaged_list_of_entry_points_leaves_other_plugins_alone(shelf, text):
    info = shelf.put("bad")
    (info / "entry_points.txt").write_bytes(text)
    shelf.put("good")

    assert "good/began" in ids("models")


def test_a_list_of_entry_points_that_cannot_be_parsed_is_reported(shelf):
    info = shelf.put("bad")
    (info / "entry_points.txt").write_text("[gandem]\nbad_gan\n")

    (plugin,) = [p for p in registry().plugins if p.distribution == "bad-gan"]
    assert plugin.loaded is False
    assert plugin.problems == ["could not be loaded: its entry_points.txt is damaged."]


@pytest.mark.parametrize("text", [b"[console_scripts]\nx\n", b"\xff\xfe", b"["])
def test_damage_in_other_groups_of_entry_points_is_ignored(shelf, text):
    (shelf.put("bad") / "entry_points.txt").write_bytes(text)
    shelf.put("good")

    assert [plugin.name for plugin in registry().plugins] == ["gandem", "good"]


def test_a_distribution_that_cannot_be_read_is_ignored(shelf, monkeypatch):
    class Broken(Distribution):
        def read_text(self, filename):
            raise ZeroDivisionError

        def locate_file(self, path): ...

    shelf.put("good")
    monkeypatch.setattr(module, "distributions", lambda: [Broken(), *shelf.distributions()])

    assert [plugin.name for plugin in registry().plugins] == ["gandem", "good"]


def test_a_distribution_that_is_twice_on_the_path_counts_once(shelf, monkeypatch, tmp_path):
    shelf.put("good")
    second = Shelf(tmp_path / "again")
    second.folder.mkdir()
    second.put("good", distribution="Good.Gan")
    monkeypatch.setattr(
        module, "distributions", lambda: [*shelf.distributions(), *second.distributions()]
    )

    assert found("good").problems == []
    assert ids("models").count("good/began") == 1


def test_a_distribution_may_have_several_plugins(shelf):
    info = shelf.put("good")
    (shelf.folder / "more_gan.py").write_text(HEAD + dedent(models("id='more/x', target='a:b'")))
    (info / "entry_points.txt").write_text("[gandem]\ngood = good_gan\nmore = more_gan\n")

    assert [p.distribution for p in registry().plugins] == ["gandem", "good-gan", "good-gan"]
    assert {"good/began", "more/x"} < set(ids("models"))


def test_the_description_of_a_distribution_is_not_parsed(shelf):
    info = shelf.put("good", requires=("gandem>=0.1",))
    with (info / "METADATA").open("a") as file:
        file.write("\nName: not me\nRequires-Dist: gandem>=99\n")

    assert (found("good").distribution, found("good").problems) == ("good-gan", [])


def test_a_distribution_without_a_name_has_that_of_its_folder(shelf):
    info = shelf.put("good")
    (info / "METADATA").write_text("Metadata-Version: 2.1\n")

    assert found("good").distribution == "good_gan"


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.unlink(), lambda path: path.write_bytes(b"Name: \xff\n")],
    ids=["missing", "not UTF-8"],
)
def test_a_distribution_without_readable_metadata_is_a_plugin_like_any_other(shelf, damage):
    damage(shelf.put("good") / "METADATA")

    assert found("good").adds["models"] == ["good/began"]
    assert (found("good").distribution, found("good").version) == ("good_gan", "")


def test_the_version_of_a_missing_distribution_is_none():
    assert find_version("gandem-that-nobody-installed") is None


@pytest.mark.parametrize("name", ["click", "numpy"])
def test_versions_are_those_of_the_standard_library(name):
    assert find_version(name) == importlib.metadata.version(name)


# --- slow plugins and required versions ----------------------------------------------------------


@pytest.fixture
def heavy(shelf):
    """Return the name of a framework that a backend requires and nothing has imported yet."""
    (shelf.folder / "pretend_gan.py").write_text("")
    shelf.put("zeta", hook("backends", id="zeta/x", target="zeta_gan:x", requires=("pretend_gan",)))
    return "pretend_gan"


SLOW = "imports pretend_gan when it is listed; import it where the target of the entry is loaded."


@pytest.mark.parametrize(
    "code",
    [
        f"\n    import pretend_gan{GOOD}",
        GOOD.replace("return [Entry", "import pretend_gan\n        return [Entry", 1),
        GOOD.replace("return (Entry", "__import__('pretend_gan')\n        return (Entry", 1),
    ],
    ids=["at the top", "in a hook", "in another"],
)
def test_a_plugin_that_imports_a_framework_is_reported_and_works(shelf, heavy, code):
    shelf.put("good", code)

    (line,) = found("good").problems
    assert line.startswith(SLOW)
    assert load_spec("good/began").name == "began"


def test_a_backend_may_require_itself(shelf):
    shelf.put("own", hook("backends", id="own/x", target="own_gan:x", requires=("own_gan",)))

    assert found("own").problems == []


def test_a_plugin_that_fails_after_importing_a_framework_is_reported_for_both(shelf, heavy):
    shelf.put("bad", "import pretend_gan\n1 / 0")

    failed, slow = found("bad").problems
    assert slow.startswith(SLOW)
    assert failed == "could not be loaded: ZeroDivisionError: division by zero"


def test_a_framework_that_was_imported_before_is_not_reported(shelf, heavy):
    importlib.import_module(heavy)
    shelf.put("good", f"import pretend_gan\n{dedent(GOOD)}")

    assert found("good").problems == []


def test_importing_a_framework_of_an_own_backend_is_reported(shelf):
    frameworks = ["torch", "keras", "tensorflow", "numpy"]
    for name in frameworks:
        (shelf.folder / f"{name}.py").write_text("")  # comes before a real one
        entry = hook("models", id=f"with-{name}/x", target="nowhere:x")
        shelf.put(f"with_{name}", f"import {name}\n{entry}", plugin=f"with-{name}")

    plugins = {plugin["name"]: plugin for plugin in listed_by_the_command(shelf)}

    for name in frameworks:
        plugin = plugins[f"with-{name}"]
        (problem,) = plugin["problems"]
        assert problem.startswith(f"imports {name} when it is listed; ")
        assert plugin["loaded"] is True


def test_a_backend_that_imports_its_framework_when_it_is_listed_is_reported(shelf, heavy):
    shelf.put(
        "eager",
        "import pretend_gan\n"
        + hook("backends", id="eager/x", target="eager_gan:x", requires=("pretend_gan.core",)),
    )

    assert found("eager").problems[0].startswith(SLOW)
    assert found("zeta").problems == []


@pytest.mark.parametrize(
    "requirement",
    [
        "gandem>=99",
        "gandem <0.1",
        "Gandem[torch]~=7.0",
        "gandem (>=99)",
        "gandem!=0.1.*,<1",
        "gandem==99; python_version >= '3'",
    ],
)
def test_a_plugin_for_another_gandem_is_reported_and_not_imported(shelf, requirement):
    shelf.put("bad", "raise SystemExit", requires=("numpy", requirement))
    shelf.put("good")

    (line,) = found("bad").problems
    expected = requirement.partition(";")[0]
    assert line == (
        f"is not loaded: it requires {expected}, and this is gandem {find_version('gandem')}; "
        "upgrade the older of the two."
    )
    assert not found("bad").loaded
    assert "bad_gan" not in sys.modules
    assert "good/began" in ids("models")


@pytest.mark.parametrize(
    "requirement",
    [
        "gandem",
        "gandem>=0.1",
        "gandem[torch]>=0.1,<1",
        "gandem @ https://example.org/gandem.whl",
        "gandem-jax>=99",
        "gandem_jax>=99",
        "gandem.jax>=99",
        "gandems>=99",
        "gandem; python_version >= '3'",
        "gandem>=99; extra == 'future'",
        "gandem>=99; python_version < '3'",
        "gandem>=not a version",
    ],
)
def test_a_plugin_whose_requirement_is_met_is_loaded(shelf, requirement):
    shelf.put("good", requires=(requirement,))

    assert found("good").problems == []


def test_a_development_release_meets_the_requirement(shelf, monkeypatch):
    monkeypatch.setattr(module, "find_version", lambda name: "0.3.0.dev1")
    shelf.put("good", requires=("gandem>=0.2,<1",))

    assert found("good").problems == []


def test_requirements_are_not_checked_if_the_own_version_is_unknown(shelf, monkeypatch):
    monkeypatch.setattr(module, "find_version", lambda name: None)
    shelf.put("good", requires=("gandem>=99",))

    assert found("good").problems == []


def test_a_skipped_plugin_is_not_loaded_and_one_with_an_invalid_entry_is(shelf):
    shelf.put("bad", "1 / 0")
    shelf.put("odd", HOOK.replace("models", "modles").format("return []"))
    shelf.put("half", models("id='x', target='half_gan:x'"))
    shelf.put("good")

    loaded = {plugin.name: plugin.loaded for plugin in registry().plugins}
    assert loaded == {"gandem": True, "bad": False, "odd": False, "half": True, "good": True}


def test_output_of_a_target_goes_to_standard_error(shelf, capsys):
    shelf.put(
        "good",
        GOOD.replace("def began(*, latent=8):\n", "def began(*, latent=8):\n        print('one')\n")
        .replace(
            "def dots(argument, data_dir):\n",
            "def dots(argument, data_dir):\n        print('two')\n",
        )
        .replace(
            "def sums(argument, backend):\n",
            "def sums(argument, backend):\n        print('three')\n",
        )
        .replace("return Listener()", "print('four')\n        return Listener()"),
    )

    load_spec("good/began")
    load_dataset("dots")
    load_extractor("sums", "torch")
    load_callbacks(pytest.fail)

    assert capsys.readouterr() == ("", "one\ntwo\nthree\nfour\n")


def test_output_of_a_hook_goes_to_standard_error(shelf, capsys):
    shelf.put("good", GOOD.replace("return [Entry", "print('two')\n        return [Entry", 1))
    (shelf.folder / "loud_gan.py").write_text("")
    shelf.put("loud", "print('one')")

    registry()

    assert capsys.readouterr() == ("", "one\ntwo\n")


# --- two owners of one name ----------------------------------------------------------------------


@pytest.fixture
def clash(shelf):
    shelf.put("good")
    shelf.put("rival", GOOD.replace("good_gan", "rival_gan").replace("good/numpy", "rival/numpy"))
    return shelf


@pytest.mark.parametrize("name", ["good/began", "began"])
def test_a_name_with_two_owners_is_refused_naming_both(clash, name):
    with pytest.raises(ClashError) as caught:
        registry().find("models", name)

    assert str(caught.value) == (
        f"The model name {name!r} has several owners: 'good/began' of good-gan and 'good/began' of "
        "rival-gan; uninstall one, or choose the plugins to load with GANDEM_PLUGINS."
    )


def test_a_short_name_with_two_owners_is_refused_with_the_full_names(clash):
    with pytest.raises(ClashError) as caught:
        registry().find("backends", "numpy")

    assert str(caught.value) == (
        "The backend name 'numpy' has several owners: 'good/numpy' of good-gan and 'rival/numpy' "
        "of rival-gan; write the full name."
    )


@pytest.mark.parametrize("name", ["good/numpy", "rival/numpy"])
def test_the_full_name_is_enough_if_only_the_short_one_clashes(clash, name):
    assert registry().find("backends", name).id == name


@pytest.mark.parametrize("plugin", ["good", "rival"])
def test_both_owners_are_reported(clash, plugin):
    line = "the model 'good/began' has several owners: good-gan and rival-gan."

    assert line in found(plugin).problems


def test_a_clash_leaves_every_other_name_alone(clash):
    assert registry().find("models", "dcgan").provider == "gandem"


def test_a_clash_is_not_reported_for_a_third_plugin(clash):
    clash.put("third", models("id='third/x', target='third_gan:x'"))

    assert not found("third").problems


def test_choosing_one_owner_ends_the_clash(clash, monkeypatch):
    monkeypatch.setenv("GANDEM_PLUGINS", "rival")

    assert registry().find("models", "began").provider == "rival-gan"


def test_two_distributions_may_have_plugins_of_the_same_name(shelf):
    shelf.put("one", models("id='one/x', target='one_gan:x'"), plugin="plugin")
    shelf.put("two", models("id='two/x', target='two_gan:x'"), plugin="plugin")

    providers = {entry.id: entry.provider for entry in registry().entries("models")}
    assert (providers["one/x"], providers["two/x"]) == ("one-gan", "two-gan")


def test_a_plugin_named_gandem_is_still_a_third_party(shelf):
    shelf.put("fake", models("id='dcgan', target='fake_gan:x'"), plugin="gandem")

    assert registry().find("models", "dcgan").provider == "gandem"
    assert ["fake-gan"] == [p.distribution for p in registry().plugins if p.problems]


def test_one_module_under_two_names_is_loaded_once(shelf):
    shelf.put("good")
    info = shelf.folder / "good_gan-1.0.dist-info"
    (info / "entry_points.txt").write_text("[gandem]\ngood = good_gan\nsame = good_gan\n")

    assert ids("models").count("good/began") == 1
    assert found("same").problems == [
        "is not loaded: another entry point leads to the same module or object."
    ]


# --- choosing and tracing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "loaded"),
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
def test_gandem_plugins_chooses_by_name_or_distribution(clash, monkeypatch, expected, loaded):
    if expected is not None:
        monkeypatch.setenv("GANDEM_PLUGINS", expected)

    plugins = registry().plugins
    assert [plugin.name for plugin in plugins if plugin.distribution != "gandem"] == loaded


def test_a_plugin_that_is_not_chosen_is_not_imported(shelf, monkeypatch):
    shelf.put("bad", "raise SystemExit")
    monkeypatch.setenv("GANDEM_PLUGINS", "")

    registry()

    assert "bad_gan" not in sys.modules


def test_a_chosen_plugin_that_is_not_installed_is_reported_with_the_nearest(shelf, monkeypatch):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_PLUGINS", "goood")

    assert found("goood").problems == [
        "GANDEM_PLUGINS names it, but it is not installed. Did you mean 'good'?"
    ]


def test_a_trace_writes_every_hook_to_standard_error(shelf, monkeypatch, capsys):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_TRACE", "1")

    registry()

    traced = capsys.readouterr()
    assert "gandem_models of good: good/began" in traced.err
    assert "gandem_models of gandem: mlp-gan, dcgan, cgan, upsample-gan" in traced.err
    assert traced.out == ""


@pytest.mark.parametrize("value", ["", "0"])
def test_without_a_trace_nothing_is_written(shelf, monkeypatch, capsys, value):
    shelf.put("good")
    monkeypatch.setenv("GANDEM_TRACE", value)

    registry()

    assert capsys.readouterr() == ("", "")


# --- loading targets -----------------------------------------------------------------------------


def hook(kind: str, **fields: object) -> str:
    given = ", ".join(f"{key}={value!r}" for key, value in {"id": "it/x", **fields}.items())
    return f"@hookimpl\ndef gandem_{kind}():\n    return [Entry({given})]\n"


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
        ("losses", "loss", lambda name: load_loss(Loss(name=name))),
        ("extractors", "extractor", lambda name: load_extractor(name, "torch")),
        (
            "layers",
            "layer",
            lambda name: load_spec("dcgan", {"discriminator.layers.1": {"kind": name}}),
        ),
    ],
)
def test_a_target_that_cannot_be_loaded_is_one_line(shelf, target, reason, table, word, load):
    shelf.put("it", hook(table, target=target))
    (shelf.folder / "bad_gan.py").write_text("1 / 0")
    (shelf.folder / "exits_gan.py").write_text("raise SystemExit(3)")

    with pytest.raises(NotFoundError) as caught:
        load("it/x")

    line = str(caught.value)
    assert line.startswith(f"The {word} 'it/x' of it-gan could not be loaded: {reason}")
    assert line.splitlines() == [line]


# --- the command ---------------------------------------------------------------------------------


def listed_by_the_command(shelf: Shelf) -> list[dict[str, object]]:
    """Return what `gandem plugins list --json` prints in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GANDEM")}
    path = os.pathsep.join([str(shelf.folder), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "gandem", "plugins", "list", "--json"],
        env=environment | {"PYTHONPATH": path},
        cwd=shelf.folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["plugins"]


def test_the_command_lists_what_a_plugin_adds_beside_one_that_exits(shelf):
    shelf.put("good")
    shelf.put("bad", "raise SystemExit(3)")

    entries = json.loads(said("list", "--json"))

    assert {"id": "good/soft", "title": "A soft relu", "provider": "good-gan"} in entries["layers"]
    began = {"id": "good/began", "title": "WGAN", "paper": "", "provider": "good-gan"}
    assert began in entries["models"]


def test_the_command_prints_name_version_distribution_and_state(shelf):
    shelf.put("good")
    shelf.put("bad", "raise SystemExit(3)")

    printed = said("plugins", "list")

    assert (
        "good 1.0  (good-gan)  models: good/began; layers: good/soft; backends: good/numpy; "
        "datasets: good/dots, good/dashes; losses: good/flat; "
        "extractors: good/sums; callbacks: good/listener\n"
    ) in printed
    assert "bad 1.0  (bad-gan)  not loaded\n  ! could not be loaded: SystemExit: 3\n" in printed


def test_the_command_prints_the_same_as_json(shelf):
    shelf.put("good")
    shelf.put("bad", "raise SystemExit(3)")

    plugins = {plugin["name"]: plugin for plugin in listed_by_the_command(shelf)}

    assert plugins["bad"] == {
        "name": "bad",
        "distribution": "bad-gan",
        "version": "1.0",
        "loaded": False,
        "adds": {},
        "problems": ["could not be loaded: SystemExit: 3"],
    }
    assert plugins["good"]["adds"]["models"] == ["good/began"]
    assert plugins["gandem"]["version"] == find_version("gandem")


def test_doctor_probes_each_installed_backend_in_its_own_process(shelf, monkeypatch):
    well = """
        class Backend:
            capabilities = ()
            engine = None
            def versions(self): return {"well": "1.0"}
            def devices(self): return ["cpu", "abacus:0"]
        """
    sick = "def load(): raise OSError('no driver')"
    entry = hook("backends", id="well/x", target="well_gan:Backend")
    shelf.put("well", entry + dedent(well))
    shelf.put("sick", f"{hook('backends', id='sick/x', target='sick_gan:load')}{sick}")
    monkeypatch.setenv("PYTHONPATH", str(shelf.folder), prepend=os.pathsep)
    monkeypatch.setenv("GANDEM_PLUGINS", "well,sick")
    monkeypatch.setattr("gandem.core.plugins.registry.is_installed", lambda entry: "/" in entry.id)

    backends = json.loads(said("doctor", "--json"))["backends"]

    facts = {"versions": {"well": "1.0"}, "devices": ["cpu", "abacus:0"]}
    assert backends["well/x"] == {"ok": True} | facts
    assert backends["sick/x"]["ok"] is False
    assert "OSError: no driver" in backends["sick/x"]["problem"]
    problem = f"not installed: {install_command('torch')}"
    assert backends["torch"] == {"ok": False, "problem": problem}


def test_images_of_a_plugins_data_set_are_unchanged(shelf):
    shelf.put("good")

    np.testing.assert_array_equal(load_dataset("dots").images, np.zeros((2, 4, 4, 1)))
