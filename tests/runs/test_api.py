"""Public names: they are listed, they load, and they have docstrings."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest
from support.commands import HOME, TINY, needs_a_backend

import gandem
import gandem.core
from gandem.cli import main
from gandem.core import errors
from gandem.core.plugins import entry, hookspecs
from gandem.core.plugins.entry import KINDS
from gandem.core.runs import Images
from gandem.core.specs import Spec, to_toml
from gandem.visualize.animation import Animation
from gandem.visualize.latent import GeneratorOptions

SOURCE = Path(gandem.__file__).read_text()


def test_dir_shows_what_is_public():
    assert dir(gandem) == sorted(gandem.__all__)


def test_the_public_names_are_these():
    """A name that goes breaks somebody's script; one that comes wants its place in the README."""
    assert gandem.__all__ == [
        "Callback",
        "Entry",
        "GandemError",
        "Spec",
        "animate",
        "compare",
        "directions",
        "entries",
        "evaluate",
        "export",
        "from_pretrained",
        "hookimpl",
        "interpolate",
        "mix",
        "open_run",
        "parity",
        "plot",
        "profile",
        "project",
        "resume",
        "spec",
        "stylize",
        "train",
        "traverse",
    ]


@pytest.mark.parametrize("name", ["animate", "evaluate", "interpolate", "mix", "plot", "traverse"])
def test_a_function_takes_the_options_of_the_command_with_its_name(name):
    """What writes a file has a method ``save``, which takes the options of the file."""
    renamed = {"from": "start", "to": "end", "dimension": "dimensions"}
    renamed |= {"from_image": "latent", "to_image": "latent"}
    parameters = {
        *inspect.signature(getattr(gandem, name)).parameters,
        *(field.name for field in dataclasses.fields(GeneratorOptions)),
        *inspect.signature(Animation.save).parameters,
    }

    for parameter in main.get_command(None, name).params:
        option = max(parameter.opts, key=len).removeprefix("--").replace("-", "_")
        if option not in ("out", "json"):
            assert renamed.get(option, option) in parameters


@pytest.mark.parametrize(
    ("wrong", "right"), [("latnt", "latent"), ("bakend", "backend"), ("lr", "learning_rate")]
)
def test_an_unknown_keyword_of_train_is_answered_with_the_nearest(wrong, right, tmp_path):
    with pytest.raises(errors.SpecError, match=f"no field '{wrong}'. Did you mean '{right}'"):
        gandem.train("dcgan", out=tmp_path / "run", **{wrong: 1})


@needs_a_backend
def test_train_takes_parameters_of_the_model_as_keywords(data, tmp_path):
    sizes = {**TINY["dcgan"], "latent": 3}

    run = gandem.train("dcgan", out=tmp_path / "run", data=data, backend=HOME, steps=1, **sizes)

    assert run.spec == gandem.spec("dcgan", **sizes)
    assert run.record.settings.steps == 1


def test_a_star_import_brings_the_public_names():
    names: dict[str, object] = {}

    exec("from gandem import *", names)

    assert set(gandem.__all__) <= {name for name, value in names.items() if value is not None}


def test_every_public_name_has_a_docstring():
    assert [name for name in gandem.__all__ if not inspect.getdoc(getattr(gandem, name))] == []


def test_type_checkers_see_the_same_names():
    (block,) = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("gandem.")
        for alias in node.names
    }

    assert seen | {"spec"} == set(gandem.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'gandem' has no attribute 'trian'$"):
        _ = gandem.trian


def test_a_public_name_is_loaded_once():
    assert gandem.Entry is gandem.Entry is entry.Entry


def test_a_spec_is_changed_by_parameter_and_by_path():
    spec = gandem.spec("dcgan", latent=9, **{"training.ema_decay": 0.5})

    assert (spec.latent.size, spec.training.ema_decay) == (9, 0.5)


@pytest.mark.parametrize("form", [str, Path])
def test_a_spec_may_be_a_file(tmp_path, form):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(gandem.spec("dcgan")))

    assert gandem.spec(form(path)) == gandem.spec("dcgan")


def test_the_repr_of_images_is_short():
    images = Images(np.zeros((25, 8, 8, 1), np.uint8), None)

    assert repr(images) == "<Images: 25 of shape (8, 8, 1), uint8>"


def test_a_spec_is_of_the_public_class():
    assert isinstance(gandem.spec("dcgan"), Spec)
    assert gandem.Spec is Spec


# --- the packages of core ------------------------------------------------------------------------

CORE = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(gandem.core.__path__, "gandem.core.")
]
PUBLIC = {
    f"{module.__name__}.{name}": thing
    for module in CORE
    for name, thing in vars(module).items()
    if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    if inspect.isclass(thing) or inspect.isfunction(thing)
}


def test_every_module_of_core_is_checked():
    folder = Path(gandem.core.__file__).parent
    files = [p for p in folder.rglob("*.py") if "templates" not in p.relative_to(folder).parts]

    assert len(CORE) == len(files) - 1  # gandem.core itself
    assert len(PUBLIC) > len(CORE)


def test_every_module_has_a_docstring():
    assert [module.__name__ for module in CORE if not (module.__doc__ or "").strip()] == []


def test_a_module_lists_only_names_that_it_has():
    missing = [
        f"{module.__name__}.{name}"
        for module in CORE
        for name in getattr(module, "__all__", ())
        if not hasattr(module, name)
    ]

    assert missing == []


def own_doc(thing: object) -> str:
    """Return a docstring that somebody wrote; a dataclass without one lists its fields."""
    doc = (thing.__doc__ or "").strip()
    return "" if inspect.isclass(thing) and doc.startswith(f"{thing.__name__}(") else doc


def test_every_public_class_and_function_has_a_docstring():
    assert [name for name, thing in PUBLIC.items() if not own_doc(thing)] == []


def test_every_public_method_has_a_docstring():
    kinds = property | classmethod | staticmethod
    undocumented = [
        f"{thing_name}.{name}"
        for thing_name, thing in PUBLIC.items()
        if inspect.isclass(thing)
        for name, value in vars(thing).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, kinds))
        and not (getattr(value, "__doc__", None) or "").strip()
    ]

    assert undocumented == []


# --- hooks ---------------------------------------------------------------------------------------

HOOKS = [value for name, value in vars(hookspecs).items() if name.startswith("gandem_")]


def test_there_is_a_hook_for_every_table():
    assert {f"gandem_{table}" for table in KINDS} <= {hook.__name__ for hook in HOOKS}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_a_hook_says_what_it_wants(hook):
    assert len(inspect.getdoc(hook) or "") > 40


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_no_hook_has_a_default_argument(hook):
    """pluggy 1.6 and 1.7 differ in what they do with one."""
    parameters = inspect.signature(hook).parameters.values()

    assert [p.name for p in parameters if p.default is not p.empty] == []


# --- errors --------------------------------------------------------------------------------------

ERRORS = [
    value
    for name in errors.__all__
    if inspect.isclass(value := getattr(errors, name)) and value is not errors.GandemError
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_is_a_gandem_error_and_one_of_pythons_own_kinds(error):
    assert issubclass(error, errors.GandemError)
    assert issubclass(error, LookupError | ValueError | RuntimeError)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_stands_in_the_tree_that_the_module_draws(error):
    assert f"── {error.__name__} " in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("came", "quoted"),
    [
        ("dcgan", "'dcgan'"),
        ("a\nb", "'a\\nb'"),
        ([1] * 99, "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1…"),
        (16**5000, "int too large to print"),
    ],
    ids=["short", "two lines", "long", "digits"],
)
def test_what_came_is_quoted_on_one_short_line(came, quoted):
    assert errors.shown(came) == quoted


def test_a_public_function_stays_callable_when_its_package_is_imported():
    import gandem.compare
    import gandem.parity

    assert inspect.signature(gandem.parity) == inspect.signature(gandem.parity.measure)
    assert inspect.signature(gandem.compare) == inspect.signature(gandem.compare.compare)
    with pytest.raises(errors.GandemError, match="Did you mean 'dcgan'"):
        gandem.parity("dcgn")
