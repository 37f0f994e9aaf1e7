"""The setting with which a spec has the shapes of weights that do not fit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from gandem.core.errors import GandemError, shown
from gandem.core.runs.transfer.source import WeightSource
from gandem.core.specs import Shape, Spec, differences, find_model, load_spec
from gandem.core.specs.loading import ModelLike, list_parameters
from gandem.core.training import network_shapes

SIZES = (
    *("latent.size", "classes"),
    *(f"image.{name}" for name in ("height", "width", "channels", "size")),
)
"""The fields of a spec, besides those of layers, that shapes depend on."""


def suggest_setting(
    spec: Spec,
    source: WeightSource,
    name: str,
    shapes: Mapping[str, Shape],
    model: ModelLike,
    changes: Mapping[str, object],
) -> str:
    """Return what to change so that an array fits.

    Args:
        name: of the first array that does not fit.
        shapes: of the source's arrays, by their names in the spec.
        model, changes: what the spec was made from.
    """
    for setting in _try_parameters(shapes, model, changes):
        return f"Choose --set {setting}."
    if source.spec is None:
        return f"Change the spec, or leave {name.rpartition('/')[0]} new, with a name map."
    player, _, layer = name.rpartition("/")[0].partition("/")
    fields = differences(source.spec, spec)
    own = [path for path in fields if path.startswith(f"players.{player}.layers.{layer}.")]
    sizes = [path for path in fields if path in SIZES]
    for path in (*sizes, *own):
        theirs, ours = map(shown, fields[path])
        return f"Its spec has {path} = {theirs}, this one {ours}.{_use_spec(source)}"
    return f"The specs differ.{_use_spec(source)}"


def _use_spec(source: WeightSource) -> str:
    file = Path(source.name) / "spec.toml"
    return f" Train its own spec: gandem train {file} --from {source.name}." * file.is_file()


def _try_parameters(
    shapes: Mapping[str, Shape], model: ModelLike, changes: Mapping[str, object]
) -> Iterator[str]:
    """Yield the whole numbers of the model's parameters that give these shapes."""
    entry = find_model(model)
    if entry is None:
        return
    sizes = sorted({size for shape in shapes.values() for size in shape})
    parameters = list_parameters(entry)
    for name in (n for n, default in parameters.items() if type(default) is int):
        for size in sizes:
            try:
                candidate = network_shapes(load_spec(entry, {**changes, name: size}))
            except GandemError:
                continue
            if all(candidate.get(key) == shape for key, shape in shapes.items()):
                yield f"{name}={size}"
