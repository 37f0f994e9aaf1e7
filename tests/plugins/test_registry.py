"""The registry: names, nearest names, and the way from a row to the thing."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.errors import (
    BackendError,
    ClashError,
    DataError,
    GandemError,
    NotFoundError,
    SpecError,
    suggest,
)
from gandem.core.plugins.entry import KINDS, Entry, parse_entries
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.specs import Loss, Spec, to_toml
from gandem.core.specs.layers import LAYERS
from gandem.core.specs.loading import load_spec
from gandem.core.specs.schedules import SCHEDULES
from gandem.core.training.backends import load_backend
from gandem.core.training.losses import load_loss, resolve_loss
from gandem.losses.hinge import Hinge
from gandem.losses.least_squares import LeastSquares
from gandem.losses.minimax import Minimax
from gandem.losses.non_saturating import NonSaturating
from gandem.metrics.evaluation.features import load_extractor
from gandem.pretrained import FOLDER

BUILTIN = [(table, row.id) for table in KINDS for row in registry().entries(table)]


def refusal(error: type[Exception], call: Any, *arguments: Any) -> str:
    """Return the one line with which a call is refused."""
    with pytest.raises(error) as caught:
        call(*arguments)
    line = str(caught.value)
    assert line.splitlines() == [line]
    return line


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, replace_entries: Any) -> Any:
    """Return a function that replaces the entries of a kind by one, with the module it targets."""

    def put(kind: str, made: Any = None, **fields: Any) -> None:
        theirs = ModuleType("theirs")
        theirs.thing = made  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "theirs", theirs)
        names = {"id": "it/x", "target": "theirs:thing", "kind": kind, "provider": "their-gan"}
        replace_entries(kind, [Entry(**names | fields)])

    return put


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("table", "name"), BUILTIN)
def test_an_own_entry_is_found_by_its_id(table, name):
    assert registry().find(table, name).id == name


@pytest.mark.parametrize(("table", "name"), BUILTIN)
def test_an_own_entry_has_a_title(table, name):
    assert registry().find(table, name).title.strip()


@pytest.mark.parametrize("name", ["it/old", "old"])
def test_an_entry_is_found_by_its_alias_with_or_without_the_prefix(only, name):
    only("models", aliases=("it/old",))

    assert registry().find("models", name).id == "it/x"


MODELS = [
    *("acgan", "bigan", "biggan", "cdcgan", "cgan", "dcgan", "dcgan-cifar", "dcgan-dropout"),
    *("dragan", "hinge-gan", "infogan", "lecam-gan", "lsgan", "mlp-gan", "msg-gan", "pacgan"),
    *("point-gan", "progan", "r3gan", "ragan", "sagan", "sngan", "sngan-projection", "stylegan2"),
    *("ttur-cifar", "upsample-gan", "wgan", "wgan-gp"),
]
LISTED = ", ".join(map(repr, MODELS))


def test_the_registry_has_the_expected_entries():
    assert {table: sorted(row.id for row in registry().entries(table)) for table in KINDS} == {
        "models": MODELS,
        "layers": sorted(LAYERS),
        "schedules": sorted(SCHEDULES),
        "backends": ["keras", "torch"],
        "datasets": [
            *("cifar10", "digits", "fashion-mnist", "folder", "grid", "keras", "mnist", "npz"),
            *("ring", "stacked-mnist", "torchvision"),
        ],
        "losses": [
            *("hinge", "infogan", "least-squares", "minimax", "non-saturating", "relativistic"),
            *("relativistic-average", "relativistic-average-hinge"),
            *("relativistic-average-least-squares", "wasserstein"),
        ],
        "extractors": ["inception", "lenet5", "pixels", "vgg-random", "vgg16", "vgg19"],
        "metrics": [],
        "launchers": ["dask", "local", "slurm"],
        "callbacks": ["checkpoints", "curves", "diagnostics", "evaluation"],
        "exporters": [
            "keras",
            "litert",
            "onnx",
            "safetensors",
            "savedmodel",
            "space",
            "torch",
            "torch-source",
            "web",
        ],
        "pretrained": sorted(path.parent.name for path in FOLDER.glob("*/model.safetensors")),
    }


@pytest.mark.parametrize(
    ("table", "name", "line"),
    [
        ("models", "dcgn", "No model named 'dcgn'. Did you mean 'dcgan'?"),
        ("models", "DCGAN", "No model named 'DCGAN'. Did you mean 'dcgan'?"),
        ("models", "wgan_gp", "No model named 'wgan_gp'. Did you mean 'wgan-gp'?"),
        ("models", "xyz", f"No model named 'xyz'. There are: {LISTED}."),
        ("models", "", f"No model named ''. There are: {LISTED}."),
        ("models", "acme/dcgan", "No model named 'acme/dcgan'. Did you mean 'dcgan'?"),
        ("models", "a\nb", f"No model named 'a\\nb'. There are: {LISTED}."),
        ("backends", "kers", "No backend named 'kers'. Did you mean 'keras'?"),
        ("backends", "tensorflow", "No backend named 'tensorflow'. Did you mean 'keras'?"),
        ("backends", "pytorch", "No backend named 'pytorch'. Did you mean 'torch'?"),
        ("backends", "jax", "No backend named 'jax'. There are: 'keras', 'torch'."),
        ("datasets", "MNIST", "No data set named 'MNIST'. Did you mean 'mnist'?"),
        ("datasets", "digit", "No data set named 'digit'. Did you mean 'digits'?"),
        ("losses", "hing", "No loss named 'hing'. Did you mean 'hinge'?"),
        ("extractors", "lenet", "No extractor named 'lenet'. Did you mean 'lenet5'?"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(table, name, line):
    assert refusal(NotFoundError, registry().find, table, name) == line


def test_the_error_for_a_very_long_name_is_short():
    assert len(refusal(NotFoundError, registry().find, "models", "x" * 10**6)) < 500


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("dcgn", ["dcgan", "cgan"], " Did you mean 'dcgan'?"),
        ("zzz", ["b", "a", "b"], " There are: 'a', 'b'."),
        ("Acme/ResBlock", ["acme/res-block"], " Did you mean 'acme/res-block'?"),
        ("epoch", ["batches_per_epoch", "epochs"], " Did you mean 'epochs'?"),
        (
            "batch",
            ["batch_size", "partial_batch"],
            " Did you mean 'batch_size' or 'partial_batch'?",
        ),
        ("zzz", [], ""),
        ("zzz", [str(n) for n in range(41)], ""),
    ],
)
def test_a_suggestion_is_the_nearest_or_a_short_list(name, known, words):
    assert suggest(name, known) == words


@pytest.mark.parametrize("error", [NotFoundError, ClashError])
def test_lookup_errors_print_their_text_unchanged(error):
    """Never a KeyError, whose text is the repr of its text."""
    assert issubclass(error, LookupError)
    assert str(error("No model named 'x'.")) == "No model named 'x'."


# --- registry files ------------------------------------------------------------------------------

ROW = '[[models]]\nid = "it/x"\ntarget = "it:x"\n'


def test_every_kind_is_parsed_even_if_it_is_empty():
    assert parse_entries("schema = 1") == {table: [] for table in KINDS}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("schema = 1\n[[models", "registry.toml: not valid TOML: "),
        (ROW, "registry.toml: expected schema = 1; upgrade gandem."),
        (f"schema = 2\n{ROW}", "registry.toml: expected schema = 1; upgrade gandem."),
        (
            "schema = 1\n[[modles]]\nid = 'x'",
            "registry.toml: unknown kind 'modles'. Did you mean 'models'?",
        ),
        (
            f"schema = 1\n{ROW}titel = 'x'",
            "registry.toml: unknown field 'titel' in models. Did you mean 'title'?",
        ),
        (
            f"schema = 1\n{ROW}provider = 'gandem'",
            "registry.toml: unknown field 'provider' in models.",
        ),
        (
            "schema = 1\n[[models]]\ntarget = 'it:x'",
            "registry.toml: an entry of models has no 'id'.",
        ),
        (
            "schema = 1\n[[models]]\nid = 'it/x'",
            "registry.toml: an entry of models has no 'target'.",
        ),
        (
            "schema = 1\n[models]\nid = 'it/x'",
            "registry.toml: write [[models]] before each entry.",
        ),
        (
            "schema = 1\nmodels = ['it/x']",
            "registry.toml: write [[models]] before each entry.",
        ),
        (
            f"schema = 1\n{ROW}title = 3",
            "registry.toml: models: Entry.title: expected a string on one line, received 3.",
        ),
        (
            f"schema = 1\n{ROW}requires = 'torch'",
            "registry.toml: models: Entry.requires: expected a tuple of module names, received "
            "'torch'.",
        ),
        (
            "schema = 1\n[[models]]\nid = 'it/x'\ntarget = 'it'",
            "registry.toml: models: Entry.target: expected 'package.module:attribute', received "
            "'it'.",
        ),
    ],
)
def test_an_invalid_registry_file_is_refused(text, line):
    assert refusal(GandemError, parse_entries, text).startswith(line)


# --- backends ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["not_there", "not_there.at.all"])
def test_a_backend_whose_framework_is_missing_names_the_install_command(only, name):
    only("backends", requires=(name, "numpy"), install="pip install 'their-gan[jax]'")

    assert refusal(BackendError, load_backend, "x") == (
        f"Backend 'it/x' is not installed ({name} missing). "
        "Install it with: pip install 'their-gan[jax]'"
    )


def test_a_missing_backend_without_an_install_command_is_one_line(only):
    only("backends", requires=("not_there",))

    line = "Backend 'it/x' is not installed (not_there missing)."
    assert refusal(BackendError, load_backend, "x") == line


@pytest.mark.parametrize("name", ["torch", "keras"])
def test_own_backends_name_their_extra(name):
    assert registry().find("backends", name).install == f"pip install 'gandem[{name}]'"


@pytest.mark.parametrize("error", [ImportError("libcudart.so.13"), OSError("libcudart.so.13")])
def test_a_damaged_framework_is_one_line(only, error):
    def load() -> None:
        raise error

    only("backends", load)

    assert refusal(BackendError, load_backend, "x") == (
        "Backend 'it/x' is installed but cannot be imported: "
        f"{type(error).__name__}: libcudart.so.13"
    )


def test_an_object_that_is_not_a_backend_is_refused(only):
    only("backends", dict)

    assert refusal(BackendError, load_backend, "x") == (
        "The backend 'it/x' of their-gan is not a backend: dict has no 'capabilities'."
    )


def test_a_mistake_inside_a_backend_keeps_its_traceback(only):
    def load() -> None:
        raise ZeroDivisionError

    only("backends", load)

    with pytest.raises(ZeroDivisionError):
        load_backend("x")


@pytest.mark.parametrize(
    ("requires", "there"),
    [
        ((), True),
        (("numpy",), True),
        (("numpy", "not_there"), False),
        (("not_there.deep",), False),
        (("numpy.not_there",), True),  # only importing numpy could tell
        (("", "numpy"), False),
        (("__main__",), True),
    ],
)
def test_an_entry_is_installed_if_its_modules_are(requires, there):
    assert is_installed(Entry(id="it/x", target="it:x", requires=requires)) is there


def test_checking_that_a_module_is_installed_does_not_import_it(tmp_path, monkeypatch):
    (tmp_path / "heavy_framework").mkdir()
    (tmp_path / "heavy_framework" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)

    assert is_installed(Entry(id="it/x", target="it:x", requires=("heavy_framework.core",)))
    assert "heavy_framework" not in sys.modules


# --- data sets -----------------------------------------------------------------------------------


def test_a_data_set_receives_its_argument_and_the_data_folder(only):
    requests = []

    def load(argument: str, data_dir: Path | None) -> Dataset:
        requests.append((argument, data_dir))
        return Dataset(name="theirs", images=np.zeros((1, 2, 2, 1), np.uint8))

    only("datasets", load)
    load_dataset("x:a:b", Path("here"))

    assert requests == [("a:b", Path("here"))]


def test_an_object_that_is_not_a_data_set_is_refused(only):
    only("datasets", lambda argument, data_dir: {"images": []})

    line = "The data set 'it/x' of their-gan returned dict."
    assert refusal(DataError, load_dataset, "x") == line


# --- extractors ----------------------------------------------------------------------------------


class Eyes:
    """An extractor, as far as the registry looks."""

    name, digest, classes = "eyes", "0", 0

    def __call__(self, images: np.ndarray) -> Any: ...


def test_an_extractor_receives_its_argument_and_the_backend(only):
    requests = []

    def load(argument: str, backend: str) -> Eyes:
        requests.append((argument, backend))
        return Eyes()

    only("extractors", load)

    assert load_extractor("x:a:b", "torch").name == "eyes"
    assert requests == [("a:b", "torch")]


def test_an_extractor_whose_modules_are_missing_names_the_install_command(only):
    only("extractors", Eyes, requires=("no_such_eyes",), install="pip install eyes")

    assert refusal(BackendError, load_extractor, "x", "torch") == (
        "Extractor 'it/x' is not installed (no_such_eyes missing). "
        "Install it with: pip install eyes"
    )


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("digest", None, "its digest is None, expected a string on one line"),
        ("digest", "", "its digest is '', expected a string on one line"),
        ("name", "a\nb", "its name is 'a\\nb', expected a string on one line"),
        ("classes", "3", "its classes are '3', expected an integer from 0"),
        ("classes", True, "its classes are True, expected an integer from 0"),
        ("classes", -1, "its classes are -1, expected an integer from 0"),
    ],
)
def test_an_extractor_with_an_invalid_attribute_is_refused(only, part, value, words):
    only("extractors", lambda argument, backend: type("Odd", (Eyes,), {part: value})())

    line = f"The extractor 'it/x' of their-gan is not an extractor: {words}."
    assert refusal(NotFoundError, load_extractor, "x", "torch") == line


def test_an_object_that_is_not_an_extractor_is_refused(only):
    only("extractors", lambda argument, backend: {})

    line = "The extractor 'it/x' of their-gan is not an extractor: dict has no 'name'."
    assert refusal(NotFoundError, load_extractor, "x", "torch") == line


def test_an_extractor_that_cannot_be_created_is_one_line(only):
    only("extractors", lambda argument, backend: 1 / 0)

    assert refusal(DataError, load_extractor, "x", "torch") == (
        "The extractor 'it/x' of their-gan could not be created: ZeroDivisionError: division by "
        "zero"
    )


# --- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("non-saturating", NonSaturating),
        ("minimax", Minimax),
        ("least-squares", LeastSquares),
        ("hinge", Hinge),
    ],
)
def test_a_loss_is_loaded_by_its_name(name, rule):
    assert type(load_loss(Loss(name=name))) is rule


def test_an_object_that_is_not_a_loss_is_refused(only):
    only("losses", dict)

    assert refusal(SpecError, load_loss, Loss(name="x")) == (
        "The loss 'it/x' of their-gan is not a loss: dict has no 'smoothable'."
    )


def test_label_smoothing_of_a_loss_without_targets_is_refused():
    assert refusal(SpecError, load_loss, Loss(name="hinge", label_smoothing=0.1)) == (
        "loss.label_smoothing: the loss 'hinge' has no target to smooth; expected 0."
    )


@pytest.mark.parametrize("name", ["non-saturating", "minimax", "least-squares"])
def test_a_loss_with_targets_accepts_label_smoothing(name):
    assert load_loss(Loss(name=name, label_smoothing=0.1)).smoothable


def test_a_loss_that_pairs_needs_a_loss_of_the_generator_too(only):
    only("losses", type("Half", (), {"smoothable": False, "pair": None}))

    assert refusal(SpecError, load_loss, Loss(name="x")) == (
        "The loss 'it/x' of their-gan is not a loss: Half has no 'pair_generator'."
    )


# --- models and spec files -----------------------------------------------------------------------


def raising(error: BaseException) -> Any:
    def make(*, size: int = 3) -> Spec:
        raise error

    return make


@pytest.mark.parametrize(
    "error",
    [
        TypeError("boom"),
        ValueError("boom"),
        KeyError("boom"),
        IndexError("boom"),
        OverflowError("boom"),
        AssertionError("boom"),
        RuntimeError("boom"),
        RecursionError("boom"),
    ],
    ids=repr,
)
def test_a_model_that_raises_is_one_line_naming_its_owner(only, error):
    only("models", raising(error))

    reason = f"{type(error).__name__}: {error}"
    assert refusal(SpecError, load_spec, "x") == (
        f"The model 'it/x' of their-gan could not be created with its defaults: {reason}"
    )


def test_the_error_of_a_model_names_its_arguments(only):
    only("models", raising(ValueError("a\nb")))

    assert refusal(SpecError, load_spec, "x", {"size": 4}) == (
        "The model 'it/x' of their-gan could not be created with size=4: ValueError: a b"
    )


def test_the_error_for_an_argument_of_very_many_digits_is_short(only):
    only("models", raising(ValueError("boom")))

    assert len(refusal(SpecError, load_spec, "x", {"size": 16**5000})) < 300


def test_the_own_error_of_a_model_follows_its_arguments(only):
    only("models", raising(SpecError("Too small.")))

    assert refusal(SpecError, load_spec, "x") == "Too small."
    assert refusal(SpecError, load_spec, "x", {"size": 3}) == "size=3: Too small."


def test_an_interrupt_in_a_model_is_raised(only):
    only("models", raising(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        load_spec("x")


@pytest.mark.parametrize("made", [None, 3, {"name": "x"}, "dcgan"], ids=repr)
def test_a_model_that_returns_no_spec_is_refused(only, made):
    only("models", lambda: made)

    line = f"The model 'it/x' of their-gan returned {type(made).__name__}."
    assert refusal(SpecError, load_spec, "x") == line


@pytest.mark.parametrize("made", [None, 3, "dcgan", {}], ids=repr)
def test_a_model_that_is_not_a_function_is_refused(only, made):
    only("models", made)

    assert refusal(SpecError, load_spec, "x") == (
        "The model 'it/x' of their-gan is not a function: theirs:thing is of type "
        f"{type(made).__name__}."
    )


def test_a_setting_overrides_the_small_size(only):
    requests = {}

    def make(*, size: int = 9, depth: int = 9) -> Spec:
        requests.update(size=size, depth=depth)
        return dcgan

    dcgan = load_spec("dcgan")
    only("models", make, small={"size": 1, "depth": 1})
    load_spec("x", {"depth": 2}, small=True)

    assert requests == {"size": 1, "depth": 2}


@pytest.mark.parametrize("suffix", [".toml", ".TOML", ".spec"])
def test_a_spec_file_is_loaded_by_its_path(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_text(to_toml(load_spec("dcgan", {"latent": 5})))

    assert load_spec(str(path)).latent.size == 5


@pytest.mark.parametrize("name", ["mine.yaml", "mine.YML", "mine.txt"])
def test_a_spec_file_with_another_ending_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").touch()

    line = f"{name}: the name of a spec file ends in .toml or .json."
    assert refusal(SpecError, load_spec, name) == line


def test_a_run_in_place_of_a_model_names_its_spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "spec.toml").touch()

    line = "digits is a run; its spec is the file digits/spec.toml."
    assert refusal(NotFoundError, load_spec, "digits") == line


def test_a_spec_file_may_be_a_path_object(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(load_spec("dcgan", {"latent": 5})))

    assert load_spec(path).latent.size == 5


def test_a_spec_file_is_changed_by_path_only(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(to_toml(load_spec("dcgan")))

    assert load_spec(str(path), {"latent.size": 5}).latent.size == 5
    assert refusal(SpecError, load_spec, str(path), {"learning": 5}).startswith(
        "The spec 'dcgan' has no field 'learning'."
    )


def test_a_spec_file_has_no_small_size(tmp_path):
    path = tmp_path / "mine.toml"

    with pytest.raises(SpecError, match="a spec has one size; leave --size out"):
        load_spec(str(path), small=True)


def test_a_folder_with_the_name_of_a_model_is_ignored(only, tmp_path, monkeypatch):
    dcgan = load_spec("dcgan")
    only("models", lambda: dcgan)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it" / "x").mkdir(parents=True)

    assert load_spec("it/x") == dcgan


def test_an_unknown_loss_of_a_spec_is_refused_with_the_nearest():
    spec = load_spec("dcgan", {"loss.name": "hing"})

    line = "No loss named 'hing'. Did you mean 'hinge'?"
    assert refusal(NotFoundError, resolve_loss, spec) == line


@pytest.mark.parametrize("name", ["no/such/file.toml", "none.json"])
def test_a_missing_spec_file_is_named(name):
    line = f"{name}: cannot be read (No such file or directory)."
    assert refusal(SpecError, load_spec, name) == line
