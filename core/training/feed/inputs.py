"""The inputs of a training step: real images in the order of the run, labels, noise and masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from gandem.core.data.dataset import Dataset
from gandem.core.data.images import downsample_images, upsample_images
from gandem.core.errors import DataError, format_count
from gandem.core.rng import Purpose, part_of, stream
from gandem.core.specs import (
    FADE_IN,
    IMAGE,
    Points,
    Spec,
    at_resolution,
    at_step,
    image_shapes,
    plan_spec,
)
from gandem.core.training.dry_run import (
    Pass,
    check_functions,
    count_seen_images,
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
from gandem.core.training.feed.draws import draw_layer, draw_noise, one_hot
from gandem.core.training.feed.epochs import EpochCounter, EpochSpan
from gandem.core.training.feed.pixels import byte_values, read_resolutions
from gandem.core.training.losses import AdversarialLoss, check_loss
from gandem.core.training.stages.timeline import WHOLE, StagePlace, Timeline, count_batches
from gandem.core.training.state import stored
from gandem.core.training.step import LOOKAHEAD
from gandem.core.training.updates.discriminator import ADAPT
from gandem.core.training.updates.due import Due
from gandem.core.training.updates.path_length import count_paths

__all__ = ["Feed"]

_IN_STEP = re.compile(r"schedule/(loss|training\.augment)\.")
"""Schedules whose values the step multiplies with logits and images."""


class Feed:
    """The inputs of training steps, as a function of the step alone.

    Attributes:
        precision: of the arrays, ``"float32"`` or ``"float64"``.
        epochs: counts the epochs of the run.
        timeline: the stages of the training; None if there are none.
        resident: True if the engine holds the images; a step then gets their indices only.
    """

    timeline: Timeline | None = None

    def __init__(
        self,
        spec: Spec,
        loss: AdversarialLoss,
        dataset: Dataset,
        seed: int,
        precision: str,
        *,
        randomness: str = "portable",
        place: StagePlace = WHOLE,
    ) -> None:
        """Prepare the feed and check the data against the spec.

        Args:
            randomness: ``"device"`` gives the key of the step instead of the arrays of
                :func:`gandem.core.training.feed.device_rng.list_draws`, which the framework draws.
            place: of a stage in the training, whose spec this is.

        Raises:
            SpecError: the players are not those of the loss, or it calls an unknown function.
            DataError: wrong image shape, labels outside the classes, too few images.
        """
        training = spec.training
        check_loss(spec, loss)
        check_functions(spec, loss)
        count = len(dataset.images)
        check_shape(spec, dataset, place.scale)
        if spec.classes:
            check_labels(spec, dataset)
        if count < training.batch_size and training.sampling == "shuffled":
            raise DataError(
                f"{dataset.name}: {format_count(count, 'image')} cannot fill a batch of "
                f"{training.batch_size}; use a smaller batch size."
            )
        self.spec = spec
        self.place = place
        self.loss = loss
        self.plans = plan_spec(spec)
        self._schedules = schedule_names(spec)
        self._draws = any(plan.drawing_nodes() for plan in self.plans.values())
        self.dataset = dataset
        self.seed = seed
        self.precision = stored(precision)
        self.portable = randomness == "portable"
        self.resident = False
        if place is WHOLE:
            batches = count_batches(training, count)
            self.epochs = EpochCounter(batches, training.discriminator_steps)
        else:
            self.epochs = EpochCounter.of_spans([place.span])
        if training.sampling == "shuffled" and training.partial_batch == "keep":
            for images in {count, count - place.seen}:
                if last := images % training.batch_size:
                    refuse_ungrouped_batch(spec, last)
                    refuse_tiny_batch(spec, last)
        refuse_tiny_batch(spec, training.batch_size)
        self._passes: dict[tuple[tuple[int, ...], Due], tuple[Pass, ...]] = {}
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def continue_epochs(self, before: Iterable[EpochSpan], step: int) -> None:
        """Count on from the epochs of a run that is resumed at a step."""
        now = self.epochs.spans[-1]
        self.epochs = EpochCounter(now.batches_per_epoch, now.batches_per_step, before, step)

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches in a pass over the data."""
        return self.epochs.spans[-1].batches_per_epoch

    def count_steps(self, epochs: int | None = None) -> int:
        """Return the steps of a whole training.

        Args:
            epochs: by default those of the spec.
        """
        return self.epochs.step_of(epochs or self.spec.training.epochs)

    def _find_images(self, batch: int) -> tuple[int, slice]:
        """Return the epoch of a batch, and its part of that epoch's order; batches count over the
        whole run.
        """
        span, size = self.epochs.spans[-1], self.spec.training.batch_size
        batch += span.first_batch - span.first_step * span.batches_per_step
        epoch, number = divmod(batch, span.batches_per_epoch)
        start = number * size
        if not epoch:  # images that other batch sizes have left
            start += self.place.seen - span.first_batch * size
        return span.first_epoch + epoch, slice(start, start + size)

    def rows_of(self, batch: int) -> np.ndarray:
        """Return the indices of the images of a batch; batches count from 0 over the whole run."""
        size = self.spec.training.batch_size
        if self.spec.training.sampling == "replacement":
            generator = stream(self.seed, Purpose.ORDER, batch, part_of("replacement"))
            drawn: np.ndarray = generator.integers(len(self.dataset.images), size=size)
            return drawn
        epoch, part = self._find_images(batch)
        known, order = self._order  # read once: another thread may ask for another epoch
        if known != epoch:
            order = stream(self.seed, Purpose.ORDER, epoch).permutation(len(self.dataset.images))
            self._order = (epoch, order)
        return order[part]

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Return the inputs of one step, counted from 0: see
        :func:`gandem.core.training.step.train_step`.
        """
        scheduled = self.scheduled(step)
        inputs = self.real(step) | self.drawn(step, scheduled) | scheduled
        if self.place.fade is not None:
            inputs[FADE_IN] = np.full((1, 1), self.place.fade.value(step, 0.0), self.precision)
        return inputs

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
        several = len(image_shapes(spec)) > 1
        if spec.training.flip or several or self.place is not WHOLE:
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
        if spec.classes and spec.loss.path_length.weight and Due.at(spec, step).path:
            last = inputs[f"label/{len(rounds) - 1}"]
            paths = count_paths(spec, len(last) * training.generator_batches)
            inputs["label/path"] = np.resize(last, (paths, spec.classes))
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
        due = Due.at(spec, step)
        if self.portable:
            inputs = self._played(step, counts, last, due)
        inputs |= self._numbers(step, due)
        for where, count in count_seen_images(spec, self.loss, counts, last).items():
            drawn_too = draw_disturbances(spec, where, count, self.seed, step, training)
            inputs |= {name: value.astype(self.precision) for name, value in drawn_too.items()}
        return inputs

    def _numbers(self, step: int, due: Due) -> dict[str, np.ndarray]:
        """Return what says which parts of a step are due, if not all are in each step."""
        spec = self.spec
        numbers: dict[str, float] = {**due.factors(spec)}
        if spec.training.augment.adaptive_target:
            numbers[ADAPT] = int((step + 1) % ADAPTATION_INTERVAL == 0)
        interval = spec.training.lookahead_interval
        if interval and (step + 1) % interval == 0:
            numbers[LOOKAHEAD] = spec.training.lookahead_share
        return {name: np.array(value, self.precision) for name, value in numbers.items()}

    def _played(
        self, step: int, counts: tuple[int, ...], last: int, due: Due
    ) -> dict[str, np.ndarray]:
        """Return noise, the draws of penalties, and draws of layers for each round and the
        generator's update.
        """
        spec, training = self.spec, self.spec.training
        inputs: dict[str, np.ndarray] = {}
        for i, rows in enumerate(counts):
            inputs[f"noise/{i}"] = self._noise(step, i, rows)
            if spec.loss.gradient_penalty and due.penalty:
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
        if spec.loss.path_length.weight and due.path:
            paths = count_paths(spec, last)
            inputs["noise/path"] = self._noise(step, len(counts) + 1, paths)
            generator = stream(self.seed, Purpose.MIXING, step, part_of("direction/path"))
            direction = generator.normal(size=(paths, *spec.image.shape))
            inputs["direction/path"] = direction.astype(self.precision)
        return inputs | self._layer_draws(step, counts, due)

    def _count_of(self, batch: int) -> int:
        """Return the number of images in a batch."""
        size = self.spec.training.batch_size
        if self.spec.training.sampling == "replacement":
            return size
        _, part = self._find_images(batch)
        return len(range(len(self.dataset.images))[part])

    def _real(self, step: int, part: int, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return real images in the spec's range, in each resolution, or points (N, D)."""
        images = self.dataset.images[rows]
        if self.spec.training.flip:
            images = flip_half(images, self.seed, step, part)
        if self.place.scale > 1:
            images = downsample_images(images, self.place.scale)
        real = read_resolutions(self.spec, images, self.precision)
        if self.place.fade is not None:
            weight = self.place.fade.value(step, 0.0)
            coarse = upsample_images(downsample_images(real[IMAGE], 2), 2)
            real[IMAGE] = weight * real[IMAGE] + (1 - weight) * coarse
        return {f"{at_resolution('real', name)}/{part}": image for name, image in real.items()}

    def _noise(self, step: int, part: int, rows: int) -> np.ndarray:
        generator = stream(self.seed, Purpose.NOISE, step, part)
        return draw_noise(self.spec.latent, generator, rows).astype(self.precision)

    def _layer_draws(self, step: int, rows: tuple[int, ...], due: Due) -> dict[str, np.ndarray]:
        """Return the masks of dropout, the noise on pixels and the vectors of style mixing, for
        each pass of a step.
        """
        drawn: dict[str, np.ndarray] = {}
        if not self._draws:
            return drawn
        key = (rows, due)
        if key not in self._passes:
            self._passes[key] = passes_of_step(self.spec, self.loss, rows, due)
        for network_pass in self._passes[key]:
            for node in self.plans[network_pass.player].drawing_nodes():
                name = f"{node.layer.draws}/{network_pass.number}/{node.path}"
                generator = stream(self.seed, Purpose.LAYERS, step, part_of(name))
                values = draw_layer(node, network_pass.rows, self.spec.latent, generator)
                is_mask = values.dtype == np.bool_
                drawn[name] = values if is_mask else values.astype(self.precision)
        return drawn
