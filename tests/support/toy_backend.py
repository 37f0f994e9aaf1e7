"""A backend in NumPy that imports no framework, for tests of what surrounds training.

A step reads every array of the state and every input, so that a run which resumes with other arrays
or at another step ends with other numbers. The networks are not those of the spec.
"""

import os
import time

import numpy as np

from gandem.core.training import metric_names, state_shapes

SLOW = "GANDEM_TOY_SLOW"
"""Environment variable with the path of a file; while the file exists, steps are slow.

The file holds the seconds of a step, or nothing. A file of the same name with :data:`BEGUN` exists
from the first slow step on.
"""
BEGUN = ".begun"
DELAY = 0.25
"""Seconds of a slow step by default."""


class Toy:
    """The backend, with faults.

    Args:
        forgets: name of an array that an engine sets to 0 instead of loading it.
        hides: name of an array that is exported as 0.
        ages: added to every array in a step, times the engine's number of steps.
        tires: the same for the generator's loss.
        drifts, rounds: added in every step.
    """

    capabilities = ("conditional", "spectral-norm", "second-order", "float64", "resume")

    def __init__(self, *, forgets="", hides="", ages=0.0, tires=0.0, drifts=0.0, rounds=0.0):
        self.forgets, self.hides = forgets, hides
        self.ages, self.tires, self.drifts, self.rounds = ages, tires, drifts, rounds

    def versions(self):
        return {"toy": "1.0"}

    def arithmetic(self, device):
        return {"threads": os.environ.get("OMP_NUM_THREADS", "all"), "CPU": "numpy"}

    def set_threads(self, count):
        os.environ["OMP_NUM_THREADS"] = str(count)

    def devices(self):
        return ["cpu"]

    def engine(self, spec, loss, state, *, precision, device):
        return ToyEngine(self, spec, state)


class ToyEngine:
    def __init__(self, toy, spec, arrays):
        self.toy, self.spec, self.age = toy, spec, 0
        self.slow = os.environ.get(SLOW, "")
        self.rates = {p.name: p.optimizer.learning_rate for p in spec.players}
        self.load(arrays)

    def load(self, arrays):
        self.arrays = {name: arrays[name].copy() for name in state_shapes(self.spec)}
        if self.toy.forgets:
            self.arrays[self.toy.forgets][...] = 0

    def step(self, inputs):
        if self.slow and os.path.exists(self.slow):
            open(f"{self.slow}{BEGUN}", "a").close()
            with open(self.slow) as file:
                time.sleep(float(file.read() or DELAY))
        toy, self.age = self.toy, self.age + 1
        floats = {n: v for n, v in self.arrays.items() if not n.endswith("/updates")}
        with np.errstate(all="ignore"):  # of a learning rate at which training diverges
            total = sum(float(v.mean()) for v in (*floats.values(), *inputs.values()))
            drive = 1e-3 * total + toy.rounds + toy.drifts
            for name, value in floats.items():
                player = name.removeprefix("optimizer/").removeprefix("average/").split("/")[0]
                change = drive * (1 + self.rates.get(player, 0.0)) + toy.ages * self.age
                self.arrays[name] = 0.99 * value + change
        for name in self.arrays.keys() - floats.keys():
            self.arrays[name] = self.arrays[name] + 1
        reported = dict.fromkeys(metric_names(self.spec), 0.5)
        return reported | {"discriminator": drive, "generator": drive + toy.tires * self.age}

    def read(self, scalars):
        return scalars

    def forward(self, player, inputs, *, average=False, layer=""):
        arrays = (value for name, value in self.arrays.items() if name.startswith(f"{player}/"))
        weights = next(arrays)
        shape = self.spec.image.shape if player == "generator" else (1,)
        rows = inputs["noise" if player == "generator" else "image"]
        rows = rows.reshape(len(rows), -1)  # (N, features)
        with np.errstate(all="ignore"):
            result = np.tanh(rows @ np.resize(weights, (rows.shape[1], int(np.prod(shape)))))
        return result.reshape(len(rows), *shape)

    def export(self):
        hidden = {n: np.zeros_like(v) for n, v in self.arrays.items() if n == self.toy.hides}
        return {name: value.copy() for name, value in (self.arrays | hidden).items()}
