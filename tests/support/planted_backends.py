"""A package of backends that are PyTorch but for a fault, for whoever shall find the fault."""

import textwrap

EPSILON = """
players = tuple(
    replace(p, optimiser=replace(p.optimiser, epsilon=3e-8)) for p in spec.players
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
"""Of moving averages: PyTorch's momentum is one less Keras's."""
NONE = ""
"""PyTorch itself, under another name."""

BACKEND = """
def NAME():
    right = load_backend("torch")

    class Planted:
        def __getattr__(self, name):
            return getattr(right, name)

        def engine(self, spec, arrays, **how):
FAULT
            return right.engine(spec, arrays, **how)

    return Planted()
"""


def plugin(tmp_path, **faults):
    """Return the environment of backends ``test/NAME``, each PyTorch but for a fault, which is code
    that changes the spec or the arrays before engines are built.
    """
    rows = [
        f'gandem.Row(id="test/{name}", target="faulty:{name}", requires=("torch",))'
        for name in faults
    ]
    code = f"""
import os
import sys
from dataclasses import replace

import gandem
from gandem.core.registry import load_backend
from gandem.core.spec import BatchNorm, Conv2D
from gandem.core.training import initial_state

@gandem.hookimpl
def gandem_backends():
    return [{", ".join(rows)}]
"""
    for name, fault in faults.items():
        indented = textwrap.indent(fault, " " * 12)
        code += BACKEND.replace("NAME", name).replace("FAULT", indented)
    (tmp_path / "faulty.py").write_text(code)
    info = tmp_path / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[gandem]\nfaulty = faulty\n")
    return {"PYTHONPATH": str(tmp_path), "GANDEM_PLUGINS": "faulty"}
