"""gandem, GANs in tandem: one GAN spec trains on PyTorch and on Keras with the same arithmetic.

>>> import gandem
>>> gandem.spec("dcgan", latent=64).latent.size
64

Nothing here imports a framework until something is built.
"""

TYPE_CHECKING = False  # for type checkers; `typing` would take most of the time of this import
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from gandem.compare import compare
    from gandem.core.errors import GandemError
    from gandem.core.plugins.entry import Entry, entries
    from gandem.core.plugins.hookspecs import hookimpl
    from gandem.core.runs import from_pretrained, open_run, resume, train
    from gandem.core.runs.export import export
    from gandem.core.runs.trainer import Callback
    from gandem.core.specs import Spec
    from gandem.metrics.evaluation.evaluate import evaluate
    from gandem.optimize.directions import directions
    from gandem.optimize.projection import project
    from gandem.optimize.style import stylize
    from gandem.parity import measure as parity
    from gandem.profiler import profile
    from gandem.visualize.animation import animate
    from gandem.visualize.curves import draw_curves as plot
    from gandem.visualize.interpolation import interpolate
    from gandem.visualize.mixing import mix
    from gandem.visualize.traversal import traverse

__all__ = [
    "Callback",
    "Entry",
    "GandemError",
    "Spec",
    "animate",
    "compare",
    "directions",
    "entries",
    "evaluate",
    "export",
    "from_pretrained",
    "hookimpl",
    "interpolate",
    "mix",
    "open_run",
    "parity",
    "plot",
    "profile",
    "project",
    "resume",
    "spec",
    "stylize",
    "train",
    "traverse",
]

_HOMES = {
    "Callback": "gandem.core.runs.trainer:Callback",
    "GandemError": "gandem.core.errors:GandemError",
    "Entry": "gandem.core.plugins.entry:Entry",
    "Spec": "gandem.core.specs:Spec",
    "animate": "gandem.visualize.animation:animate",
    "compare": "gandem.compare",
    "evaluate": "gandem.metrics.evaluation.evaluate:evaluate",
    "interpolate": "gandem.visualize.interpolation:interpolate",
    "mix": "gandem.visualize.mixing:mix",
    "directions": "gandem.optimize.directions:directions",
    "project": "gandem.optimize.projection:project",
    "stylize": "gandem.optimize.style:stylize",
    "plot": "gandem.visualize.curves:draw_curves",
    "traverse": "gandem.visualize.traversal:traverse",
    "from_pretrained": "gandem.core.runs:from_pretrained",
    "hookimpl": "gandem.core.plugins.hookspecs:hookimpl",
    "open_run": "gandem.core.runs:open_run",
    "parity": "gandem.parity",
    "profile": "gandem.profiler:profile",
    "resume": "gandem.core.runs:resume",
    "export": "gandem.core.runs.export:export",
    "entries": "gandem.core.plugins.entry:entries",
    "train": "gandem.core.runs:train",
}


def spec(model: "str | PathLike[str]", **changes: "Any") -> "Spec":
    """Return the spec of a model, or of a ``.toml`` or ``.json`` file.

    Args:
        model: a name from ``gandem list``, or a path.
        changes: the model's parameters, ``latent=64``; fields of the spec by path go into a dict,
            ``**{"training.ema_decay": 0.999}``.

    Raises:
        GandemError: no such model, or the changes do not fit.
    """
    from gandem.core.specs import load_spec
    from gandem.core.training import resolve_loss

    loaded = load_spec(model, changes)
    resolve_loss(loaded)
    return loaded


def __getattr__(name: str) -> "Any":
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gandem' has no attribute {name!r}")
    from importlib import import_module

    module_name, _, attribute = _HOMES[name].partition(":")
    module = import_module(module_name)
    value = globals()[name] = getattr(module, attribute) if attribute else module
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
