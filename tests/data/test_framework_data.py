"""Data sets of torchvision and Keras: their own loaders read them in a separate process, offline.

Most tests fork that process from a server which has the framework loaded; see ``forked``.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.commands import needs_both, process, refused, tiny
from support.framework_forks import ASK, READ, ForkServers

from gandem.core.data.dataset import ResizableDataset, find_dataset, load_dataset
from gandem.core.errors import DataError
from gandem.core.plugins.registry import is_installed, registry
from gandem.core.process import ChildCommand, ChildResult
from gandem.data import frameworks, keras_sets
from gandem.data.framework_process import Request

THERE = {name: is_installed(registry().find("datasets", name)) for name in ("torchvision", "keras")}
needs_torchvision = pytest.mark.skipif(not THERE["torchvision"], reason="needs torchvision")
needs_keras = pytest.mark.skipif(not THERE["keras"], reason="needs keras")
NO_SERVER = "http://127.0.0.1:9"
"""A proxy where nothing listens: what would be downloaded fails at once."""


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path_factory):
    """A cache for all tests of this file, nobody's settings, and no network."""
    home = tmp_path_factory.getbasetemp() / "frameworks"
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, NO_SERVER)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KERAS_HOME", str(home / "keras"))
    monkeypatch.setenv("GANDEM_CACHE", str(home / "cache"))
    return home


def idx(array: np.ndarray) -> bytes:
    """Return an array of bytes in MNIST's format."""
    head = [0x0800 + array.ndim, *array.shape]
    return np.array(head, ">i4").tobytes() + array.tobytes()


def digits(count: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(seed).integers(0, 256, (count, size, size), np.uint8)
    return images, (np.arange(count) % 3).astype(np.uint8)


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """torchvision's root with 40 training and 12 test images of 8×8, and what they are."""
    root = tmp_path_factory.mktemp("torchvision")
    raw, halves = root / "MNIST" / "raw", (digits(40, 8, 0), digits(12, 8, 1))
    raw.mkdir(parents=True)
    for name, (images, labels) in zip(("train", "t10k"), halves, strict=True):
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(labels))
    return root, *halves


@pytest.fixture
def countries(tmp_path):
    """torchvision's Country211, as it would lie there: five pictures of three sizes."""
    train, draw = tmp_path / "country211" / "train", np.random.default_rng(0)
    for country, count in (("AD", 2), ("AE", 3)):
        (train / country).mkdir(parents=True)
        for place in range(count):
            pixels = draw.integers(0, 256, (9 + place, 16, 3), np.uint8)
            Image.fromarray(pixels).save(train / country / f"{place}.png")
    return tmp_path


def assert_holds(data, images, labels):
    np.testing.assert_array_equal(np.asarray(data.images), images[..., None])
    np.testing.assert_array_equal(data.labels, labels)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    result = ForkServers(tmp_path_factory.mktemp("printed"))
    yield result
    for server in result.running.values():
        with server:
            server.kill()


@pytest.fixture
def forked(servers, monkeypatch):
    """Let what would be started be forked, and return the texts of the requests."""
    requests = []

    def run_forked(command: ChildCommand) -> ChildResult:
        (request,) = command.arguments
        requests.append(request)
        framework = json.loads(request)["framework"]
        code, out = servers.run(framework, READ, request, env=command.full_environment())
        lines = out.read_text("utf-8", "replace").splitlines()
        return ChildResult(code=code, stderr="\n".join(x for x in lines if not command.on_line(x)))

    if hasattr(os, "fork"):
        monkeypatch.setattr(frameworks, "run_child", run_forked)
    return requests


def answers(servers: ForkServers, framework: str, names: list[str], root: Path) -> dict[str, str]:
    """Return the facts of some sets, or why there are none."""
    code, out = servers.run(framework, ASK, framework, str(root), *names, env=dict(os.environ))
    assert code == 0, out.read_text()
    return json.loads(out.read_text().splitlines()[-1])


# --- torchvision ---------------------------------------------------------------------------------


@needs_torchvision
@pytest.mark.parametrize("part", ["", ":test", ":all"])
def test_mnist_of_torchvision_is_read(mnist, part, forked):
    root, train, test = mnist

    data = load_dataset(f"torchvision:mnist{part}", root)

    halves = {"": [train], ":test": [test], ":all": [train, test]}[part]
    assert_holds(data, *map(np.concatenate, zip(*halves, strict=True)))
    assert data.name == f"torchvision:mnist{part}"
    assert data.class_names[:2] == ("0 - zero", "1 - one")
    assert data.source == "MNIST of torchvision"


@needs_torchvision
def test_set_is_read_again_only_when_a_file_has_changed(mnist, tmp_path, forked):
    source, (images, labels), _ = mnist
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (source / "MNIST" / "raw").iterdir():
        (raw / file.name).write_bytes(file.read_bytes())
    first = load_dataset("torchvision:MNIST", tmp_path)
    second = load_dataset("torchvision:MNIST", tmp_path)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(255 - images))
    changed = load_dataset("torchvision:MNIST", tmp_path)

    assert len(forked) == 2
    assert_holds(first, images, labels)
    assert_holds(second, images, labels)
    assert_holds(changed, 255 - images, labels)


@needs_torchvision
def test_images_of_several_sizes_are_resized_like_those_of_a_folder(countries, forked):
    result = find_dataset("torchvision:Country211", countries)
    folder = f"folder:{countries / 'country211' / 'train'}"

    assert isinstance(result, ResizableDataset)
    assert result.resize((8, 8, 3)).digest == load_dataset(folder, shape=(8, 8, 3)).digest
    assert result.resize((8, 8, 3)).class_names == ("AD", "AE")
    assert result.summarize().sizes == {(16, 9): 2, (16, 10): 2, (16, 11): 1}
    with pytest.raises(DataError, match="its images have 3 sizes, most are"):
        result.resize()


@needs_torchvision
def test_damaged_image_is_skipped_and_reported(countries, forked):
    (countries / "country211" / "train" / "AE" / "9.png").write_bytes(b"no picture")

    data = load_dataset("torchvision:Country211", countries, (8, 8, 3))

    assert len(data.images) == 5
    assert data.notes == (
        "torchvision:Country211: 1 left out: image 5: not an image that Pillow reads.",
    )


@needs_torchvision
def test_unusable_sets_of_torchvision_are_refused(servers, tmp_path):
    output = answers(servers, "torchvision", list(TORCHVISION), tmp_path)

    for name, words in TORCHVISION.items():
        assert words in output[name], name


TORCHVISION = {
    "svhm": "torchvision has no data set 'svhm'. Did you mean 'SVHN'?",
    "zzzzzz": "There are: CIFAR10, CIFAR100,",
    "Kinetics": "torchvision:Kinetics: Kinetics holds videos; expected images",
    "VOCDetection": "VOCDetection holds images with bounding boxes",
    "Sintel": "Sintel holds optical flow",
    "ImageFolder": "--data folder:PATH",
    "EMNIST": "EMNIST needs its split: --data torchvision:EMNIST:SPLIT. There are: byclass,",
    "MNIST:tset": "MNIST has no part 'tset'; it has train, test and all.",
    "SVHN:extr": "Unknown value 'extr' for argument split.",
    "STL10:train:more": "STL10 has no part 'more'",
    "FER2013": "torchvision does not download it.",
    "fakedata": "1000 FakeData of torchvision True False",
}


MADE_UP = """
import json
from pathlib import Path
import numpy as np
from PIL import Image
from torchvision import datasets
from gandem.data import framework_process

picture = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))

class Odd:
    def __init__(self, root, split, **kwargs):
        if split == "module":
            import scientific.nowhere
        targets = {"whole": 4, "none": None, "minus": -1, "vector": np.arange(3), "mask": picture}
        self.item = (picture, targets[split]) if split in targets else {"image": picture}
    def __len__(self):
        return 2
    def __getitem__(self, place):
        return self.item

datasets.Odd, datasets.__all__ = Odd, (*datasets.__all__, "Odd")
root, code = Path(argv[0]), 0
for split in argv[1:]:
    folder = root / split
    folder.mkdir()
    told = {"name": split, "framework": "torchvision", "parts": ["odd", split], "given": False,
        "root": str(root), "want": "fit", "shape": [2, 2, 3], "folder": str(folder)}
    if framework_process.main(json.dumps(told)) == 0:
        print(split, (folder / "facts.json").read_text())
"""


@needs_torchvision
def test_targets_that_are_no_classes_give_no_labels(servers, tmp_path):
    kinds = ["whole", "none", "minus", "vector", "mask", "dict", "module"]

    _, out = servers.run("torchvision", MADE_UP, str(tmp_path), *kinds, env=dict(os.environ))

    facts = {
        kind: json.loads((tmp_path / kind / "facts.json").read_text())
        for kind in ("whole", "none", "minus", "vector")
    }
    labeled = {kind: fields["labeled"] for kind, fields in facts.items()}
    assert labeled == {"whole": True, "none": False, "minus": False, "vector": False}
    assert facts["vector"]["notes"] == [
        "vector: it has no labels, because its targets are no classes."
    ]
    assert np.load(tmp_path / "whole" / "labels.npy").tolist() == [4, 4]
    assert (tmp_path / "none" / "images.bin").read_bytes() == bytes(range(12)) * 2
    refusals = [line for line in out.read_text().splitlines() if line.startswith("! ")]
    assert refusals == [
        "! mask: expected a class from Odd, received Image.",
        "! dict: expected an image from Odd, received dict.",
        "! module: Odd needs scientific, which is not installed. "
        "Install it with: pip install scientific",
    ]


@needs_torchvision
def test_error_without_network_names_the_folder_of_the_files(tmp_path, forked):
    line = refused("data", "torchvision:MNIST", "--data-dir", tmp_path)

    assert "torchvision:MNIST: torchvision cannot read or download it: RuntimeError: Error" in line
    assert line.endswith(
        f"Its files belong in {str(tmp_path / 'MNIST' / 'raw')!r}; --data-dir names another root."
    )


# --- Keras ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fashion(tmp_path_factory):
    """Keras's folder of data sets with a small Fashion-MNIST, and what it is."""
    root = tmp_path_factory.mktemp("keras")
    place, halves = root / "datasets" / "fashion-mnist", (digits(30, 28, 2), digits(9, 28, 3))
    place.mkdir(parents=True)
    for name, (images, labels) in zip(("train", "t10k"), halves, strict=True):
        (place / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (place / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return root, *halves


@needs_keras
@pytest.mark.parametrize(
    ("below", "process"),
    [
        ("", "forked"),
        ("datasets", "forked"),
        pytest.param("", "started", marks=pytest.mark.slow),
    ],
)
def test_fashion_mnist_of_keras_is_read(fashion, below, process, request, tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    if process == "forked":
        request.getfixturevalue("forked")
    root, train, test = fashion
    part, halves = (":all", [train, test]) if below else ("", [train])

    data = load_dataset(f"keras:fashion_mnist{part}", root / below)

    assert_holds(data, *map(np.concatenate, zip(*halves, strict=True)))
    assert data.class_names[1] == "Trouser"
    assert sorted(path.name for path in root.iterdir()) == ["datasets"]


def test_home_of_keras_is_set_before_its_import(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", "elsewhere")
    monkeypatch.setitem(sys.modules, "keras", None)
    request = Request(
        name="keras:mnist",
        framework="keras",
        parts=["mnist", "train"],
        root=tmp_path / "datasets",
        given=False,
        want="open",
        shape=None,
        folder=tmp_path,
    )

    with pytest.raises(ImportError, match="keras"):
        keras_sets.open_set(request)

    assert Path(os.environ["KERAS_HOME"], "datasets").resolve() == tmp_path / "datasets"


@needs_keras
def test_file_of_the_user_is_not_overwritten(tmp_path, forked):
    (tmp_path / "mnist.npz").write_bytes(b"another file")

    line = refused("data", "keras:mnist", "--data-dir", tmp_path)

    assert "mnist.npz': it is damaged or another file than expected" in line
    assert (tmp_path / "mnist.npz").read_bytes() == b"another file"


@needs_keras
def test_unusable_sets_of_keras_are_refused(servers, tmp_path):
    output = answers(servers, "keras", list(KERAS), tmp_path)

    for name, words in KERAS.items():
        assert words in output[name], name
    assert str(tmp_path / "fashion-mnist") in output["fashion_mnist"]


KERAS = {
    "minst": "Keras has no data set 'minst'. Did you mean 'mnist'?",
    "zzzzzz": "There are: cifar10, cifar100, fashion_mnist, mnist.",
    "imdb": "imdb holds texts",
    "boston_housing": "boston_housing holds tables of numbers",
    "fashion_mnist": "Keras cannot read or download it: Exception: URL fetch failure on https",
}


# --- both frameworks ----------------------------------------------------------------------


@pytest.mark.slow
@needs_both
@needs_torchvision
def test_keras_trains_on_data_of_torchvision(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    arguments = [each if each != "torch" else "keras" for each in tiny(batch_size=8)]
    data = ["--data", "torchvision:MNIST", "--data-dir", mnist[0]]

    done = process(*arguments, *data, "--steps", 2, "--out", "run", "--json", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (facts["backend"], facts["data"]["count"]) == ("keras", 40)


@needs_torchvision
def test_parent_process_imports_no_framework(mnist, tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    code = (
        "import sys; from pathlib import Path; from gandem.core.data.dataset import load_dataset;"
        "load_dataset('torchvision:MNIST:test', Path(sys.argv[1])).digest;"
        "print({'torch', 'torchvision', 'tensorflow', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(mnist[0])], capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("set()\n", "")
