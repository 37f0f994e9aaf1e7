"""Plugins with backends that are PyTorch, or a toy in NumPy, except for a fault."""

import contextlib
import os
import sys
import textwrap
from pathlib import Path

import pytest

from gandem.core.plugins.registry import registry

EPSILON = """
players = tuple(
    replace(p, optimizer=replace(p.optimizer, epsilon=3e-8)) for p in spec.players
)
spec = replace(spec, players=players)
"""
"""Adam's, which frameworks choose differently."""
PADDING = """
def shifted(layer):
    if not isinstance(layer, Conv2D):
        return layer
    return replace(layer, padding=((1, 0), (1, 0)))

players = tuple(replace(p, layers=tuple(map(shifted, p.layers))) for p in spec.players)
spec = replace(spec, players=players)
"""
"""Of 3×3 at stride 2 on an even image the odd pixel goes last in TensorFlow; here it goes first."""
MOMENTUM = """
def turned(layer):
    return replace(layer, decay=1 - layer.decay) if isinstance(layer, BatchNorm) else layer

players = tuple(replace(p, layers=tuple(map(turned, p.layers))) for p in spec.players)
spec = replace(spec, players=players)
"""
"""Of moving averages: PyTorch's momentum is 1 minus Keras's."""
ROUNDING = "right.rounds = 1e-17"
"""A toy that differs from the other toys as much as one framework from another."""
NONE = ""
"""The backend itself, under another name."""

BACKEND = """
def NAME():
    right = BASE

    class Planted:
        def __getattr__(self, name):
            return getattr(right, name)

        def engine(self, spec, loss, state, **options):
FAULT
            return right.engine(spec, loss, state, **options)

    return Planted()
"""
BASES = {
    "torch": ("faulty", 'load_backend("torch")', '("torch",)'),
    "toy": ("toys", "Toy()", "()"),
}
"""The name of the plugin, the backend that is right, and the modules that it requires."""


def plugin(folder, base="torch", **faults):
    """Return the environment of backends ``test/NAME``, each PyTorch or a toy except for a fault,
    which is code that changes the spec or the arrays before engines are built.
    """
    name, right, requires = BASES[base]
    rows = [
        f'gandem.Entry(id="test/{fault}", target="{name}:{fault}", requires={requires})'
        for fault in faults
    ]
    code = f"""
import os
import sys
from dataclasses import replace

import gandem
from gandem.core.specs import BatchNorm, Conv2D
from gandem.core.training import initial_state, load_backend

@gandem.hookimpl
def gandem_backends():
    return [{", ".join(rows)}]
"""
    if base == "toy":
        code += "\nfrom support.toy_backend import Toy\n"
    for fault, lines in faults.items():
        filled = BACKEND.replace("NAME", fault).replace("BASE", right)
        code += filled.replace("FAULT", textwrap.indent(lines, " " * 12))
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[gandem]\n{name} = {name}\n")
    search = [str(folder), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(filter(None, search)), "GANDEM_PLUGINS": name}


@contextlib.contextmanager
def installed(folder, base="torch", **faults):
    """Install such backends for this process and its children."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in plugin(folder, base, **faults).items():
            patch.setenv(name, value)
        patch.syspath_prepend(folder)
        registry.cache_clear()
        yield
    registry.cache_clear()
    sys.modules.pop(BASES[base][0], None)
