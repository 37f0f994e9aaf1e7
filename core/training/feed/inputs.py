"""The inputs of a training step: real images in the order of the run, labels, noise and masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.errors import DataError, shown
from gandem.core.machine import check_memory
from gandem.core.rng import Purpose, dropout_keep, part_of, stream
from gandem.core.specs import (
    IMAGE,
    Latent,
    Points,
    Spec,
    at_resolution,
    at_step,
    image_shapes,
    plan_spec,
)
from gandem.core.training.discriminator import ADAPT, PENALTY_FACTOR
from gandem.core.training.dry_run import (
    Pass,
    check_functions,
    judged,
    packed_shapes,
    passes_of_step,
    schedule_names,
)
from gandem.core.training.feed.augmentation import (
    ADAPTATION_INTERVAL,
    draw_disturbances,
    flip_half,
)
from gandem.core.training.feed.checks import (
    check_labels,
    check_shape,
    refuse_tiny_batch,
    refuse_ungrouped_batch,
)
from gandem.core.training.feed.device_rng import KEY, make_key
from gandem.core.training.feed.epochs import EpochCounter, EpochSpan
from gandem.core.training.feed.pixels import byte_values, read_resolutions
from gandem.core.training.feed.truncation import check_truncation, truncate_noise
from gandem.core.training.losses import AdversarialLoss, check_loss
from gandem.core.training.state import stored

__all__ = ["Feed", "draw_noise", "fixed_inputs", "fixed_parts", "one_hot"]

FEWER = "ask for fewer"
_IN_STEP = re.compile(r"schedule/(loss|training\.augment)\.")
"""Schedules whose values the step multiplies with logits and images."""


def one_hot(labels: np.ndarray, classes: int, precision: str) -> np.ndarray:
    """Return labels (N,) as class weights (N, classes)."""
    weights = np.zeros((len(labels), classes), stored(precision))
    weights[np.arange(len(labels)), labels] = 1
    return weights


def draw_noise(latent: Latent, generator: np.random.Generator, rows: int) -> np.ndarray:
    """Return noise (rows, latent.size), float64."""
    size = (rows, latent.size)
    uniform = latent.distribution == "uniform"
    noise = generator.uniform(-1.0, 1.0, size) if uniform else generator.normal(size=size)
    parts = latent.parts  # drawn last, so that the rest of the noise is the same without
    if "category" in parts:
        drawn = generator.integers(latent.categories, size=rows)
        noise[:, parts["category"]] = one_hot(drawn, latent.categories, "float64")
    if "code" in parts:
        noise[:, parts["code"]] = generator.uniform(-1.0, 1.0, (rows, latent.codes))
    return noise


def fixed_inputs(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None = None,
    *,
    truncation: float | None = None,
) -> dict[str, np.ndarray]:
    """Return the generator's inputs for samples: the same noise for the same seed on any backend.

    Categories of the latent code are cycled (0, 1, 2, …); the rest of the noise is random.

    Args:
        labels: (rows,) classes. By default the classes are cycled, and the category changes after
            each cycle.
        truncation: the largest absolute value of the noise; see :func:`truncate_noise`.

    Raises:
        SpecError: the noise cannot be truncated.
    """
    number = np.dtype(stored(precision)).itemsize + 8  # noise is drawn in double precision
    check_memory(rows * spec.latent.size * number, f"The noise of {shown(rows)} samples", FEWER)
    parts = fixed_parts(spec, seed, rows, precision, labels, size=rows, truncation=truncation)
    return next(parts)


def fixed_parts(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None = None,
    *,
    size: int,
    truncation: float | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Return the result of :func:`fixed_inputs` in parts of ``size`` rows."""
    check_truncation(spec, truncation)
    return _draw_parts(spec, seed, rows, precision, labels, size, truncation)


def _draw_parts(
    spec: Spec,
    seed: int,
    rows: int,
    precision: str,
    labels: np.ndarray | None,
    size: int,
    truncation: float | None,
) -> Iterator[dict[str, np.ndarray]]:
    drawn, coded = stream(seed, Purpose.SAMPLES), bool(spec.latent.parts)
    if coded:  # codes are drawn after all noise
        check_memory(rows * spec.latent.size * 8, f"The noise of {shown(rows)} samples", FEWER)
    whole = draw_noise(spec.latent, drawn, rows) if coded else None
    for start in range(0, rows, size):
        turn = np.arange(start, min(start + size, rows))
        noise = draw_noise(spec.latent, drawn, len(turn)) if whole is None else whole[turn]
        if truncation is not None:
            noise = truncate_noise(spec.latent, noise, truncation)
        inputs = {}
        if "label" in plan_spec(spec)["generator"].inputs:
            chosen = turn % spec.classes if labels is None else labels[turn]
            inputs["label"] = one_hot(chosen, spec.classes, precision)
            turn = turn // spec.classes if labels is None else turn
        if spec.latent.categories:
            taken = one_hot(turn % spec.latent.categories, spec.latent.categories, precision)
            noise[:, spec.latent.parts["category"]] = taken
        yield {"noise": noise.astype(stored(precision)), **inputs}


class Feed:
    """The inputs of training steps, as a function of the step alone.

    Attributes:
        precision: of the arrays, ``"float32"`` or ``"float64"``.
        epochs: counts the epochs of the run.
        resident: True if the engine holds the images; a step then gets their indices only.
    """

    def __init__(
        self,
        spec: Spec,
        loss: AdversarialLoss,
        dataset: Dataset,
        seed: int,
        precision: str,
        *,
        randomness: str = "portable",
    ) -> None:
        """Prepare the feed and check the data against the spec.

        Args:
            randomness: ``"device"`` gives the key of the step instead of the arrays of
                :func:`gandem.core.training.feed.device_rng.list_draws`, which the framework draws.

        Raises:
            SpecError: the players are not those of the loss, or it calls an unknown function.
            DataError: wrong image shape, labels outside the classes, too few images.
        """
        training = spec.training
        check_loss(spec, loss)
        check_functions(spec, loss)
        count = len(dataset.images)
        check_shape(spec, dataset)
        if spec.classes:
            check_labels(spec, dataset)
        if count < training.batch_size and training.sampling == "shuffled":
            raise DataError(
                f"{dataset.name}: {count} images do not fill a batch of {training.batch_size}; "
                "use a smaller batch size."
            )
        self.spec = spec
        self.loss = loss
        self.plans = plan_spec(spec)
        self._schedules = schedule_names(spec)
        self._draws = any(plan.drawing_nodes() for plan in self.plans.values())
        self.dataset = dataset
        self.seed = seed
        self.precision = stored(precision)
        self.portable = randomness == "portable"
        self.resident = False
        last = 0 if training.sampling == "replacement" else count % training.batch_size
        kept = last and training.partial_batch == "keep"
        full = max(count // training.batch_size, 1)
        batches = training.batches_per_epoch or full + (1 if kept else 0)
        self.epochs = EpochCounter(batches, training.discriminator_steps)
        if kept:
            refuse_ungrouped_batch(spec, last)
            refuse_tiny_batch(spec, last)
        refuse_tiny_batch(spec, training.batch_size)
        self._passes: dict[tuple[tuple[int, ...], bool], tuple[Pass, ...]] = {}
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def continue_epochs(self, before: Iterable[EpochSpan], step: int) -> None:
        """Count on from the epochs of a run that is resumed at a step."""
        now = self.epochs.spans[-1]
        self.epochs = EpochCounter(now.batches_per_epoch, now.batches_per_step, before, step)

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches in a pass over the data."""
        return self.epochs.spans[-1].batches_per_epoch

    def _place_of(self, batch: int) -> tuple[int, int]:
        """Return the epoch of a batch, and its place there; batches count over the whole run."""
        span = self.epochs.spans[-1]
        batch -= span.first_step * span.batches_per_step
        epoch, place = divmod(batch, span.batches_per_epoch)
        return span.first_epoch + epoch, place

    def rows_of(self, batch: int) -> np.ndarray:
        """Return the indices of the images of a batch; batches count from 0 over the whole run."""
        size = self.spec.training.batch_size
        if self.spec.training.sampling == "replacement":
            generator = stream(self.seed, Purpose.ORDER, batch, part_of("replacement"))
            drawn: np.ndarray = generator.integers(len(self.dataset.images), size=size)
            return drawn
        epoch, place = self._place_of(batch)
        known, order = self._order  # read once: another thread may ask for another epoch
        if known != epoch:
            order = stream(self.seed, Purpose.ORDER, epoch).permutation(len(self.dataset.images))
            self._order = (epoch, order)
        return order[place * size : (place + 1) * size]

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Return the inputs of one step, counted from 0: see
        :func:`gandem.core.training.step.train_step`.
        """
        scheduled = self.scheduled(step)
        return self.real(step) | self.drawn(step, scheduled) | scheduled

    def scheduled(self, step: int) -> dict[str, np.ndarray]:
        """Return the value of each schedule of the spec at a step, (): of a schedule of the loss
        or augmentation in the precision of the arrays, of others in float64. The names are paths,
        as in ``schedule/generator.optimizer.learning_rate``.
        """
        if not self._schedules:
            return {}
        epoch = self.epochs.passes(step)
        values = {
            name: schedule.value(step, epoch)
            for name, schedule in self._schedules.items()
            if schedule is not None
        }
        if "schedule/training.ema_half_life" in values:
            training = at_step(self.spec.training, "training", values)
            values["schedule/training.ema_decay"] = training.average_decay()
        return {
            name: np.array(value, self.precision if _IN_STEP.match(name) else np.float64)
            for name, value in values.items()
        }

    def bytes_and_values(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the images, uint8 (N, H, W, C), and the value of each of the 256 bytes.

        Returns None if an engine cannot hold them: points, images in a file, mirrored images,
        images in several resolutions.
        """
        images, spec = self.dataset.images, self.spec
        if isinstance(spec.image, Points) or not isinstance(images, np.ndarray):
            return None
        if spec.training.flip or len(image_shapes(spec)) > 1:
            return None
        return images, byte_values(spec.image.low, spec.image.high, self.precision)

    def real(self, step: int) -> dict[str, np.ndarray]:
        """Return the inputs of a step that come from the data: real images and labels."""
        spec, training = self.spec, self.spec.training
        inputs: dict[str, np.ndarray] = {}
        rounds = range(training.discriminator_steps)
        for i in rounds:
            rows = self.rows_of(step * len(rounds) + i)
            if self.resident:
                inputs[f"chosen/{i}"] = rows
            else:
                inputs |= self._real(step, i, rows)
            if spec.classes:
                assert self.dataset.labels is not None
                labels = self.dataset.labels[rows]
                inputs[f"label/{i}"] = one_hot(labels, spec.classes, self.precision)
        if training.noise == "fresh" and spec.classes and training.generator_batches != 1:
            last = inputs[f"label/{len(rounds) - 1}"]
            inputs["label/generator"] = np.tile(last, (training.generator_batches, 1))
        return inputs

    def drawn(self, step: int, scheduled: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the random inputs of a step: noise, mixing weights, draws of layers, augmentation.

        With ``randomness="device"`` these are the augmentation and the key of the step.
        """
        spec = self.spec
        rounds = spec.training.discriminator_steps
        counts = tuple(self._count_of(step * rounds + i) for i in range(rounds))
        last = counts[-1] * spec.training.generator_batches
        training = at_step(spec.training, "training", scheduled)
        inputs = {KEY: make_key(self.seed, step)}
        penalizes = step % spec.loss.penalty_interval == 0
        if self.portable:
            inputs = self._played(step, counts, last, penalizes=penalizes)
        inputs |= self._numbers(step, penalizes=penalizes)
        for where, count in judged(spec, self.loss, counts, last).items():
            drawn_too = draw_disturbances(spec, where, count, self.seed, step, training)
            inputs |= {name: value.astype(self.precision) for name, value in drawn_too.items()}
        return inputs

    def _numbers(self, step: int, *, penalizes: bool) -> dict[str, np.ndarray]:
        """Return what says which parts of a step are due, if not all are in each step."""
        spec, numbers = self.spec, {}
        if spec.loss.penalty_interval > 1 and penalizes:
            numbers[PENALTY_FACTOR] = spec.loss.penalty_interval
        if spec.training.augment.adaptive_target:
            numbers[ADAPT] = int((step + 1) % ADAPTATION_INTERVAL == 0)
        return {name: np.array(value, self.precision) for name, value in numbers.items()}

    def _played(
        self, step: int, counts: tuple[int, ...], last: int, *, penalizes: bool
    ) -> dict[str, np.ndarray]:
        """Return noise, the draws of penalties, and draws of layers for each round and the
        generator's update.
        """
        spec, training = self.spec, self.spec.training
        inputs: dict[str, np.ndarray] = {}
        for i, rows in enumerate(counts):
            inputs[f"noise/{i}"] = self._noise(step, i, rows)
            if spec.loss.gradient_penalty and penalizes:
                packed, groups = packed_shapes(spec), rows // training.pac
                drawn = stream(self.seed, Purpose.MIXING, step, i).random(groups)
                shape = (-1, *(1 for _ in packed[IMAGE]))
                inputs[f"mix/{i}"] = drawn.reshape(shape).astype(self.precision)
                if spec.loss.gradient_penalty_points == "near-real":
                    for image, shape in packed.items():
                        name = f"{at_resolution('shift', image)}/{i}"
                        shifts = stream(self.seed, Purpose.MIXING, step, part_of(name))
                        inputs[name] = shifts.random((groups, *shape)).astype(self.precision)
        if training.noise == "fresh":
            inputs["noise/generator"] = self._noise(step, len(counts), last)
        return inputs | self._layer_draws(step, counts, penalizes=penalizes)

    def _count_of(self, batch: int) -> int:
        """Return the number of images in a batch."""
        size = self.spec.training.batch_size
        if self.spec.training.sampling == "replacement":
            return size
        _, place = self._place_of(batch)
        return len(range(len(self.dataset.images))[place * size : (place + 1) * size])

    def _real(self, step: int, part: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return real images in the spec's range, in each resolution, or points (N, D)."""
        images = self.dataset.images[rows]
        if self.spec.training.flip:
            images = flip_half(images, self.seed, step, part)
        real = read_resolutions(self.spec, images, self.precision)
        return {f"{at_resolution('real', name)}/{part}": image for name, image in real.items()}

    def _noise(self, step: int, part: int, rows: int) -> np.ndarray:
        generator = stream(self.seed, Purpose.NOISE, step, part)
        return draw_noise(self.spec.latent, generator, rows).astype(self.precision)

    def _layer_draws(
        self, step: int, rows: tuple[int, ...], *, penalizes: bool
    ) -> dict[str, np.ndarray]:
        """Return the masks of dropout and the noise on pixels, for each pass of a step."""
        drawn: dict[str, np.ndarray] = {}
        if not self._draws:
            return drawn
        key = (rows, penalizes)
        if key not in self._passes:
            self._passes[key] = passes_of_step(self.spec, self.loss, rows, penalizes=penalizes)
        for made in self._passes[key]:
            for node in self.plans[made.player].drawing_nodes():
                name = f"{node.layer.draws}/{made.number}/{node.path}"
                generator = stream(self.seed, Purpose.LAYERS, step, part_of(name))
                shape = (made.rows, *node.draw_shape)
                if node.layer.draws == "mask":
                    drawn[name] = dropout_keep(generator, shape, node.layer.mask_rate)
                else:
                    drawn[name] = generator.normal(size=shape).astype(self.precision)
        return drawn
