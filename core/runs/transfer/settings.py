"""The settings with which a spec has the shapes of weights that do not fit it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gandem.core.errors import GandemError, shown
from gandem.core.plugins.entry import Entry
from gandem.core.runs.transfer.source import WeightSource
from gandem.core.specs import Shape, Spec, differences, find_model, load_spec
from gandem.core.specs.loading import ModelLike, list_parameters
from gandem.core.training import network_shapes

SIZES = (
    "latent.size",
    *(f"image.{name}" for name in ("height", "width", "channels", "size")),
    "classes",
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
    """Return what to change so that the arrays fit.

    Args:
        name: of the first array that does not fit.
        shapes: of the source's arrays, by their names in the spec.
        model, changes: what the spec was made from.
    """
    classes = {"classes": source.spec.classes} if source.spec and source.spec.classes else {}
    entry = find_model(model)
    if entry is not None and (settings := _search(entry, {**changes, **classes}, shapes)):
        return f"Choose {' '.join(f'--set {key}={size}' for key, size in settings.items())}."
    if source.spec is None:
        return f"Change the spec, or leave {name.rpartition('/')[0]} new, with a name map."
    player, _, layer = name.rpartition("/")[0].partition("/")
    fields = differences(source.spec, spec)
    own = [path for path in fields if path.startswith(f"players.{player}.layers.{layer}.")]
    for path in (*(path for path in SIZES if path in fields), *own):
        theirs, ours = map(shown, fields[path])
        return f"Its spec has {path} = {theirs}, this one {ours}.{_use_spec(source)}"
    return f"The specs differ.{_use_spec(source)}"


def _use_spec(source: WeightSource) -> str:
    file = Path(source.name) / "spec.toml"
    return f" Train its own spec: gandem train {file} --from {source.name}." * file.is_file()


def _search(
    entry: Entry, changes: Mapping[str, object], shapes: Mapping[str, Shape]
) -> dict[str, int]:
    """Return whole numbers for parameters of a model that give all shapes, one after the other;
    empty if there are none.
    """

    def count_fits(settings: Mapping[str, int]) -> int:
        candidate = _find_shapes(entry, {**changes, **settings})
        return sum(candidate.get(name) == shape for name, shape in shapes.items())

    sizes = sorted({size for shape in shapes.values() for size in shape})
    names = list_size_parameters(entry, changes)
    settings: dict[str, int] = {}
    fits = count_fits(settings)
    while fits < len(shapes):
        trials = [settings | {name: size} for name in names for size in sizes]
        best = max(trials, key=count_fits, default=settings)
        if count_fits(best) <= fits:
            return {}
        settings, fits = best, count_fits(best)
    return settings


def list_size_parameters(entry: Entry, changes: Mapping[str, object]) -> list[str]:
    """Return the parameters of a model that are sizes of arrays: twice the number gives arrays of
    the same names and other shapes.

    Numbers of layers are none of them; the size of an array as a number of layers would make a
    network that takes long to plan.
    """
    shapes = _find_shapes(entry, changes)
    names = []
    for name, default in list_parameters(entry).items():
        value = changes.get(name, default)
        if isinstance(value, int) and type(default) is int:
            others = _find_shapes(entry, {**changes, name: 2 * value})
            if others.keys() == shapes.keys() and others != shapes:
                names.append(name)
    return names


def _find_shapes(entry: Entry, changes: Mapping[str, object]) -> dict[str, Shape]:
    """Return the shapes of the networks; empty if the model cannot be built."""
    try:
        return network_shapes(load_spec(entry, changes))
    except GandemError:
        return {}
