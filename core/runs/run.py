"""A run: a training in a folder; read it, generate images from it, and get its networks.

::

    runs/dcgan-torch-20261121-1/
        spec.toml    run.json    log.jsonl
        samples/epoch-0001.png   checkpoints/step-000938.safetensors
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from gandem.core.errors import RunError, SpecError, suggest
from gandem.core.runs.checkpoint import Checkpoint
from gandem.core.runs.generation.latents import LatentVectors
from gandem.core.runs.generation.sampling import (
    CHUNK_SIZE,
    MAX_COLUMNS,
    Images,
    check_count,
    decode,
    encode,
    generate_parts,
    report_memory_errors,
    sample,
    save_arrays,
    save_folder,
)
from gandem.core.runs.record import read_record
from gandem.core.runs.run_folder import BEST, LAST, RunFolder
from gandem.core.runs.saved.folder import is_saved_model, read_scores_of, write_model
from gandem.core.runs.saved.hub import is_repository, parse_name, upload
from gandem.core.runs.saved.targets import find_folder, suggest_pretrained
from gandem.core.specs import plan_spec, read_spec
from gandem.core.training import (
    Engine,
    averaged_players,
    check_capabilities,
    fixed_inputs,
    fixed_parts,
    load_backend,
    make_engine,
    pick_backend,
    pick_device,
    resolve_loss,
    stored,
)

if TYPE_CHECKING:
    from gandem.core.export import Export

__all__ = ["BEST", "LAST", "Run", "from_pretrained", "open_run", "pick_backend", "pick_device"]


@dataclass(frozen=True, slots=True, repr=False)
class Run(RunFolder):
    """A run: what is on disk, and what its networks do."""

    def engine(
        self,
        backend: str | None = None,
        device: str = "auto",
        checkpoint: int | str | Checkpoint = LAST,
    ) -> Engine:
        """Return an engine with the trained networks.

        Args:
            backend: by default the run's own, or else any that is installed.
            checkpoint: ``"last"``, ``"best"``, a step, or one that was read before.
        """
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = self.checkpoint(checkpoint)
        name = backend or pick_backend(self.record.backend)
        loaded = load_backend(name)
        precision = stored(self.record.precision)  # mixed precision is for training
        check_capabilities(name, loaded, self.spec, precision)
        loss, place = resolve_loss(self.spec), pick_device(loaded.devices(), device)
        how: Any = {"precision": precision, "device": place, "trains": False}
        with report_memory_errors():
            return make_engine(loaded, self.spec, loss, checkpoint.state, **how)

    def native(self, player: str, backend: str | None = None, *, ema: bool = True) -> Any:
        """Return a player's network as a ``torch.nn.Module`` or a ``keras.Model``.

        Args:
            ema: use the moving average of the weights, if the run keeps one.
        """
        self.spec.player(player)
        checkpoint = self.checkpoint()
        checkpoint.check_player(player)
        averaged = player in averaged_players(self.spec) and ema
        return self.engine(backend, checkpoint=checkpoint).native(player, average=averaged)

    def export(self, format: str, path: Path | str, **options: Any) -> Export:
        """Write a network to a file that runs without gandem; see :func:`gandem.export`."""
        from gandem.core.export import export_runs  # which imports modules of this package

        return export_runs([self], format, path, **options)

    def generate(
        self,
        num_samples: int = 25,
        *,
        label: int | str | None = None,
        seed: int = 0,
        truncation: float | None = None,
        backend: str | None = None,
        device: str = "auto",
        ema: bool = True,
        checkpoint: int | str = LAST,
        latent: LatentVectors | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Images:
        """Generate images from noise; equal seeds give equal noise on every backend.

        Args:
            num_samples: number of images.
            label: the class, its number or its name; by default the classes of a conditional model
                take turns.
            truncation: ψ; images below 1 are more typical and less varied. Styles move to their
                mean (arXiv:1812.04948); other noise is at most ψ (arXiv:1809.11096).
            backend: by default the run's own if it is installed, or else any that is.
            ema: use the moving average of the weights, if the run keeps one.
            checkpoint: ``"last"``, ``"best"``, or a step.
            latent: vectors to use in place of noise; then the number, the label, the seed and the
                truncation are ignored.
            progress: called with the number of images generated so far.

        Raises:
            SpecError: the model has no such class, its noise cannot be truncated, or it has other
                latent vectors.
        """
        precision = self.record.precision
        if latent is not None:
            inputs = latent.make_inputs(self.spec, precision)
        else:
            check_count(self.spec, num_samples)
            labels = self._labels(num_samples, label)
            inputs = fixed_inputs(
                self.spec, seed, num_samples, precision, labels, truncation=truncation
            )
        engine = self.engine(backend, device, checkpoint)
        return sample(self.spec, engine, inputs, ema=ema, progress=progress)

    def save(
        self,
        path: Path | str,
        num_samples: int = 25,
        *,
        label: int | str | None = None,
        seed: int = 0,
        truncation: float | None = None,
        backend: str | None = None,
        device: str = "auto",
        ema: bool = True,
        checkpoint: int | str = LAST,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Write the images of :meth:`generate` to an ``.npz``, or as PNG files to a new folder.

        Memory does not grow with the number of images.

        Raises:
            SpecError: the model has no such class, or its noise cannot be truncated.
            RunError: the path cannot be written.
        """
        check_count(self.spec, num_samples, Path(path))
        labels = self._labels(num_samples, label)
        precision = self.record.precision
        parts = fixed_parts(
            self.spec, seed, num_samples, precision, labels, size=CHUNK_SIZE, truncation=truncation
        )
        engine = self.engine(backend, device, checkpoint)
        images = generate_parts(self.spec, engine, parts, ema=ema, progress=progress)
        save = save_arrays if Path(path).suffix.lower() == ".npz" else save_folder
        save(Path(path), images, num_samples)

    def encode(self, images: np.ndarray, *, ema: bool = True, **engine: Any) -> np.ndarray:
        """Return the noise of images; ``engine`` as for :meth:`engine`.

        See :func:`gandem.core.runs.generation.sampling.encode`.
        """
        return encode(self.spec, self.engine(**engine), images, self.record.precision, ema=ema)

    def reconstruct(
        self,
        images: np.ndarray,
        labels: np.ndarray | None = None,
        *,
        ema: bool = True,
        **engine: Any,
    ) -> Images:
        """Generate images from the noise of images, and their labels (N,) if it has classes."""
        loaded, precision = self.engine(**engine), self.record.precision
        noise = encode(self.spec, loaded, images, precision, ema=ema)
        return decode(self.spec, loaded, noise, labels, precision, ema=ema)

    def save_pretrained(
        self,
        path: Path | str,
        *,
        players: str | Sequence[str] | None = None,
        dtype: str | None = None,
        checkpoint: int | str = LAST,
        license: str = "",
        evaluation: Mapping[str, Any] | None = None,
        target: str = "",
        backend: str | None = None,
    ) -> Run:
        """Write the trained networks to a new folder, with a model card, and open it.

        The folder is accepted wherever a run is. It holds one set of weights: the moving averages
        if the run keeps them.

        Args:
            players: names, or ``"all"``; by default those that generate.
            dtype: ``"float16"`` to round the weights; by default they keep their precision.
            checkpoint: ``"last"``, ``"best"``, or a step.
            license: of the weights, an SPDX identifier like ``"mit"``.
            evaluation: a score of :func:`gandem.evaluate` as data, for the record and the card; by
                default that of ``gandem evaluate --save``, or the one that the training took.
            target: how the card calls the model, like ``"hf://user/name"``; by default the folder.
            backend: what the samples are generated on; by default as for :meth:`generate`.

        Raises:
            RunError: the folder exists and is not empty, or cannot be written.
        """

        def draw(folder: Path) -> Images:
            count = 64 if not self.spec.classes else 4 * min(self.spec.classes, MAX_COLUMNS)
            return open_run(folder).generate(count, backend=backend)

        options: dict[str, Any] = {"players": players, "dtype": dtype, "license": license}
        options |= {"evaluation": evaluation, "target": target}
        loaded = self.checkpoint(checkpoint)
        if evaluation is None:
            options["evaluation"] = read_scores_of(self.path, loaded.step)
        write_model(Path(path), self.spec, self.record, loaded, draw, **options)
        return open_run(path)

    def push(
        self,
        name: str,
        *,
        private: bool = False,
        revision: str | None = None,
        message: str | None = None,
        **saved: Any,
    ) -> str:
        """Upload the trained networks to the Hugging Face Hub, and return the address.

        The token is the one of ``huggingface_hub``: from ``hf auth login`` or ``HF_TOKEN``.

        Args:
            name: ``"user/name"``; the repository is created if it does not exist.
            private: create it as a private one.
            revision: the branch, created if it does not exist; by default ``main``.
            message: of the commit.
            saved: as for :meth:`save_pretrained`; without any, a saved model is uploaded as it is.

        Raises:
            RunError: it is damaged, or cannot be uploaded.
        """
        name, branch = parse_name(name)
        revision = revision or branch
        options: Any = {"private": private, "revision": revision, "message": message}
        if is_saved_model(self.path) and not saved:
            self.checkpoint()  # a damaged model is not uploaded
            return upload(self.path, name, **options)
        with TemporaryDirectory(prefix="gandem-") as place:
            saved = {"target": f"hf://{name}", **saved}
            folder = self.save_pretrained(Path(place) / name.partition("/")[2], **saved).path
            return upload(folder, name, **options)

    def _labels(self, count: int, label: int | str | None) -> np.ndarray | None:
        """Return the class of each image, None if the classes take turns."""
        if label is not None:
            conditional = "label" in plan_spec(self.spec)["generator"].inputs
            if not conditional:
                raise SpecError(
                    f"The model {self.spec.name!r} has no classes; leave the label out."
                )
            number = self.find_label(label)
            if not 0 <= number < self.spec.classes:
                raise SpecError(f"No class {label}; expected 0 to {self.spec.classes - 1}.")
            return np.broadcast_to(number, count)
        return None

    def find_label(self, label: int | str) -> int:
        """Return the number of a class, given by number or by its name in the training data.

        Raises:
            SpecError: there is no class of this name.
        """
        names = self.record.data.class_names
        if not isinstance(label, str) and (0 <= label < len(names) or str(label) not in names):
            return int(label)
        if str(label) in names:
            return names.index(str(label))
        raise SpecError(f"No class named {label!r}.{suggest(str(label), names)}")


def open_run(target: Run | Path | str) -> Run:
    """Open a run: the folder of a training or of a saved model, a pretrained model, or one of a
    hub. A run is returned as it is.

    Args:
        target: a path, a name like ``"dcgan@digits"``, or ``"hf://user/name"``, optionally with
            ``@revision``.

    Raises:
        RunError: the folder is not a run, or is damaged.
        NotFoundError: there is no pretrained model of that name.
    """
    if isinstance(target, Run):
        return target
    path = find_folder(target)
    try:
        if not path.is_dir():
            state = "is not a folder" if path.exists() else "does not exist"
            hint = suggest_pretrained(str(target)) if state == "does not exist" else ""
            raise RunError(f"{path}: not a run; it {state}.{hint}")
        if not (path / "run.json").is_file():
            runs = [record.parent for record in sorted(path.glob("*/run.json"))]
            hint = f" Did you mean {runs[-1]}?" if runs else ""
            raise RunError(f"{path}: not a run; it has no run.json.{hint}")
        record = read_record(path)
        if not (path / "spec.toml").is_file():  # reading a pipe would block
            raise RunError(f"{path}: not a run; it has no spec.toml, so training had not started.")
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return Run(path, read_spec(path / "spec.toml"), record)


def from_pretrained(target: Path | str, *, revision: str | None = None) -> Run:
    """Open a saved model; beside what :func:`open_run` takes, ``"user/name"`` is one of the hub.

    Args:
        target: a folder, ``"dcgan@digits"``, ``"user/name"`` or ``"hf://user/name"``.
        revision: of a model on the hub: a branch, a tag or a commit.

    Raises:
        RunError, NotFoundError: see :func:`open_run`.
    """
    text = str(target)
    if not os.path.lexists(text) and is_repository(text):
        text = f"hf://{text}"
    if revision is None:
        return open_run(text)
    name, pinned = parse_name(text)
    if pinned is not None:
        raise RunError(f"{text}: it names a revision; leave the other one out.")
    return open_run(f"hf://{name}@{revision}")
