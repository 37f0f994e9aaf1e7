"""Verification of an exported network: its output for fixed latents against that of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gandem.core.data.images import to_bytes
from gandem.core.errors import RunError
from gandem.core.export.exporter import Exported
from gandem.core.export.network import LABEL, ExportNetwork
from gandem.core.runs.generation.sampling import report_memory_errors
from gandem.core.specs import Shape, is_image, plan_spec
from gandem.core.training import (
    Engine,
    check_capabilities,
    fixed_inputs,
    load_backend,
    make_engine,
    nudge,
    one_hot,
    resolve_loss,
    run_resolutions,
)
from gandem.core.training.stages.engine import select_arrays

__all__ = ["COUNT", "Reference"]

COUNT = 64
"""Latent vectors; one for each class if there are more classes."""


class Reference:
    """The output of a run's network for fixed latents, in float32 on the CPU.

    The first latent is a batch of its own, so that a file with a fixed batch size is found out.

    Args:
        state: of the run, by canonical name.
        backend: the id of an installed backend.
    """

    def __init__(
        self, network: ExportNetwork, state: Mapping[str, np.ndarray], backend: str
    ) -> None:
        self._network, self.backend = network, backend
        self._state = {
            name: value if value.dtype == np.int64 else value.astype(np.float32)
            for name, value in select_arrays(network.spec, state).items()
        }
        engine = self._make_engine(self._state)
        drawn = self._draw_inputs(engine)
        self.count = len(next(iter(drawn.values())))
        self._batches = [
            {key: value[rows] for key, value in drawn.items()}
            for rows in (slice(0, 1), slice(1, None))
        ]
        self._outputs = [self._run(engine, batch) for batch in self._batches]

    @property
    def output(self) -> np.ndarray:
        """The output for all latents, float32."""
        return np.concatenate(self._outputs)

    def measure(self, exported: Exported) -> float:
        """Return the largest difference of what a file holds, relative to the largest value of the
        output if that is above 1; of images of bytes, in units of 1 from 0 to 255.

        Raises:
            RunError: the output has another shape or type.
        """
        if isinstance(exported, Mapping):
            engine = self._make_engine(self._state | self._rename(exported))
            return self._compare([self._run(engine, batch) for batch in self._batches])
        return self._compare([exported(self._read_ports(batch)) for batch in self._batches])

    def measure_baseline(self) -> float:
        """Return the difference of the run from itself when the weights of the network move by one
        unit in the last place: what rounding does to this network.
        """
        arrays = self._network.arrays
        moved = nudge(self._network.spec, {**self._state, **arrays}, 0)
        return self.measure({name: moved[name] for name in arrays})

    def _compare(self, results: Sequence[np.ndarray]) -> float:
        differences, largest = [0.0], 1.0
        for result, expected in zip(results, self._outputs, strict=True):
            if result.shape != expected.shape or result.dtype != expected.dtype:
                raise RunError(
                    f"{self._network.name}: the exported network returns {result.dtype} "
                    f"{result.shape}, expected {expected.dtype} {expected.shape}."
                )
            differences.append(float(np.abs(result.astype(np.float64) - expected).max()))
            if expected.dtype != np.uint8:
                largest = max(largest, float(np.abs(expected).max()))
        return float(np.max(differences)) / largest  # NaN, as of a diverged training, is kept

    def _make_engine(self, state: Mapping[str, np.ndarray]) -> Engine:
        spec, backend = self._network.spec, load_backend(self.backend)
        check_capabilities(self.backend, backend, spec, "float32")
        with report_memory_errors():
            return make_engine(
                backend, spec, resolve_loss(spec), state, precision="float32", device="cpu"
            )

    def _run(self, engine: Engine, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        network = self._network
        with report_memory_errors():
            is_average = network.facts["weights"] == "average"
            value = engine.forward(network.player, batch, average=is_average)
        output = network.output
        if output.dtype == "uint8" and output.limits is not None:
            return to_bytes(value, *output.limits)
        return value

    def _draw_inputs(self, engine: Engine) -> dict[str, np.ndarray]:
        """Return the inputs of the network; images are those that the generator makes."""
        network = self._network
        spec, plan = network.spec, network.plan
        count = max(COUNT, spec.classes)
        drawn: dict[str, np.ndarray] = fixed_inputs(spec, 0, count, "float32")
        if spec.classes:
            drawn.setdefault(
                LABEL, one_hot(np.arange(count) % spec.classes, spec.classes, "float32")
            )
        if any(is_image(key) for key in plan.inputs):
            generator = plan_spec(spec)["generator"]
            read = {key: drawn[key] for key in generator.inputs}
            with report_memory_errors():
                drawn |= run_resolutions(engine, generator, read, average=spec.training.averages)
        return {key: _pack(drawn[key], shape) for key, shape in plan.inputs.items()}

    def _read_ports(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return inputs as the exported network takes them, by the names of its ports."""
        return {
            port.name: batch[port.key].argmax(1) if port.dtype == "int64" else batch[port.key]
            for port in self._network.inputs
        }

    def _rename(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return arrays of the network by their names in the state."""
        average = "average/" if self._network.facts["weights"] == "average" else ""
        names = {p.name for p in self._network.plan.parameters()}
        return {average * (name in names) + name: value for name, value in arrays.items()}


def _pack(value: np.ndarray, shape: Shape) -> np.ndarray:
    """Return images beside others in the channels, for a network that reads several at once."""
    count = shape[-1] // value.shape[-1]
    return np.concatenate([np.roll(value, number, 0) for number in range(count)], -1)
