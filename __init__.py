"""gandem, GANs in tandem: one GAN spec trains on PyTorch and on Keras, step for step the same.

>>> import gandem
>>> gandem.spec("dcgan", latent=64).latent.size
64

Nothing here imports a framework until something is built.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from gandem.compare import compare
    from gandem.core.errors import GandemError
    from gandem.core.plugins.catalog import rows
    from gandem.core.plugins.hookspecs import Entry, RunInfo, hookimpl
    from gandem.core.runs import open_run, profile, resume, train
    from gandem.core.specs import Spec
    from gandem.parity import measure as parity

__all__ = [
    "Entry",
    "GandemError",
    "RunInfo",
    "Spec",
    "compare",
    "hookimpl",
    "open_run",
    "parity",
    "profile",
    "resume",
    "rows",
    "spec",
    "train",
]

_HOMES = {
    "GandemError": "gandem.core.errors:GandemError",
    "Entry": "gandem.core.plugins.hookspecs:Entry",
    "RunInfo": "gandem.core.plugins.hookspecs:RunInfo",
    "Spec": "gandem.core.specs:Spec",
    "compare": "gandem.compare:compare",
    "hookimpl": "gandem.core.plugins.hookspecs:hookimpl",
    "open_run": "gandem.core.runs:open_run",
    "parity": "gandem.parity:measure",
    "profile": "gandem.core.runs:profile",
    "resume": "gandem.core.runs:resume",
    "rows": "gandem.core.plugins.catalog:rows",
    "train": "gandem.core.runs:train",
}


def spec(model: "str | PathLike[str]", **changes: Any) -> "Spec":
    """Return the spec of a model, or of a ``.toml`` or ``.json`` file.

    Args:
        model: a name from ``gandem list``, or a path.
        changes: the model's parameters, ``latent=64``; fields of the spec by path go into a dict,
            ``**{"training.ema_decay": 0.999}``.

    Raises:
        GandemError: no such model, or the changes do not fit.
    """
    from gandem.core.plugins.registry import load_spec

    return load_spec(model, changes)


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gandem' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _HOMES[name].partition(":")
    found = globals()[name] = getattr(import_module(module), attribute)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
