"""Train the weights of the extractor lenet5 on PyTorch, and print the test accuracy.

python -m gandem.extractors.train_lenet5 digits|fashion OUT.safetensors [DATA_DIR]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gandem.core.data.dataset import Dataset, load_dataset
from gandem.core.training import as_read, initial_state, load_backend, load_loss
from gandem.extractors.lenet5 import HEAD, NETWORK, WEIGHTS, LeNet5, lenet5_spec

DATA = {"digits": "mnist", "fashion": "fashion-mnist"}
EPOCHS, BATCH, RATE = 30, 128, 2e-3
SHIFT = {"digits": 2, "fashion": 1}
"""Maximum shift of images in pixels."""


def train_lenet5(kind: str, out: Path, data_dir: Path | None) -> float:
    """Train on the training part, write the weights, and return the accuracy on the test part.

    Adam with a one-cycle learning rate (Smith 2018, arXiv:1803.09820); images are shifted by up to
    :data:`SHIFT` pixels, and those of Fashion-MNIST mirrored.
    """
    import torch
    from safetensors.numpy import save

    torch.manual_seed(0)
    spec = lenet5_spec()
    engine: Any = load_backend("torch").engine(
        spec,
        load_loss(spec.loss),
        initial_state(spec, 0, "float32"),
        precision="float32",
        device="cpu",
    )
    network = engine.networks[NETWORK].train()
    head = torch.nn.Linear(84, 10)
    parameters = [*network.parameters(), *head.parameters()]
    dataset = load_dataset(DATA[kind], data_dir)
    assert dataset.labels is not None
    (images,) = network.from_numpy({"image": as_read(spec, dataset.images, "float32")}, "cpu")
    labels = torch.as_tensor(dataset.labels.astype(np.int64))
    optimizer = torch.optim.Adam(parameters, lr=RATE, weight_decay=1e-5)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=EPOCHS * steps, pct_start=0.1
    )
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in torch.randperm(len(images))[: steps * BATCH].split(BATCH):
            batch = _augment(images[rows], SHIFT[kind], mirror=kind == "fashion")
            loss = torch.nn.functional.cross_entropy(head(network(batch)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1} of {EPOCHS}: cross-entropy {total / steps:.4f}")
    arrays = {n: a for n, a in engine.export().items() if n.startswith(f"{NETWORK}/")}
    kernel, bias = head.weight.detach().numpy().T, head.bias.detach().numpy()
    arrays |= dict(zip(HEAD, (np.ascontiguousarray(kernel), bias), strict=True))
    weights = save(_rescale(kind, arrays, np.asarray(dataset.images)))
    out.write_bytes(weights)
    unseen = load_dataset(f"{DATA[kind]}:test", data_dir)
    return accuracy(LeNet5(kind, weights, "torch"), unseen)


def _rescale(kind: str, arrays: dict[str, np.ndarray], images: np.ndarray) -> dict[str, np.ndarray]:
    """Return equivalent weights whose features have a mean square of 1 over some images."""
    from safetensors.numpy import save

    features = LeNet5(kind, save(arrays), "torch")(images).features.astype(np.float64)
    factor = float(np.sqrt(np.square(features).mean()))
    by = {f"{NETWORK}/dense_1/kernel": 1 / factor, f"{NETWORK}/dense_1/bias": 1 / factor}
    by[HEAD[0]] = factor
    return {name: (a * by.get(name, 1.0)).astype(np.float32) for name, a in arrays.items()}


def _augment(batch: Any, reach: int, *, mirror: bool) -> Any:
    """Return images shifted by up to ``reach`` pixels, one shift per half of the batch.

    With ``mirror``, a random half of the images is mirrored.
    """
    import torch

    halves = []
    for half in batch.chunk(2):
        down, right = torch.randint(-reach, reach + 1, (2,)).tolist()
        padded = torch.nn.functional.pad(half, (reach, reach, reach, reach))
        top, left, size = reach + down, reach + right, half.shape[-1]
        halves.append(padded[..., top : top + size, left : left + size])
    moved = torch.cat(halves)
    if mirror:
        flips = (torch.rand(len(moved)) < 0.5)[:, None, None, None]
        moved = torch.where(flips, moved.flip(-1), moved)
    return moved


def accuracy(extractor: LeNet5, dataset: Dataset) -> float:
    """Return the share of images that are classified correctly."""
    probabilities = extractor(np.asarray(dataset.images)).probabilities
    assert probabilities is not None
    return float((probabilities.argmax(axis=1) == dataset.labels).mean())


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in WEIGHTS:
        sys.exit(__doc__)
    folder = Path(sys.argv[3]) if len(sys.argv) == 4 else None
    print(f"test accuracy {100 * train_lenet5(sys.argv[1], Path(sys.argv[2]), folder):.2f} %")
