"""The first state of a training with weights from elsewhere: which array goes where, and checks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gandem.core.errors import GandemError, RunError, SpecError, format_count, shown, suggest
from gandem.core.runs.checkpoint import hash_contents
from gandem.core.runs.record import OriginRecord
from gandem.core.runs.transfer.name_map import NameMap, SourceArray
from gandem.core.runs.transfer.settings import suggest_setting
from gandem.core.runs.transfer.source import WeightSource
from gandem.core.specs import Node, Shape, Spec, digest, load_spec
from gandem.core.specs.loading import ModelLike
from gandem.core.specs.shapes.feature_order import SIDES, feature_orders
from gandem.core.training import list_plans, network_shapes, replace_weights

TORCH_NAMES = {
    **{"kernel": "weight", "table": "weight", "scale": "weight", "offset": "bias"},
    **{"mean": "running_mean", "variance": "running_var"},
}
"""PyTorch's names of a layer's arrays; the others have the same name."""
TORCH_AXES: Mapping[tuple[str, int], tuple[int, ...]] = {
    ("kernel", 4): (2, 3, 1, 0),  # (out, in, kh, kw); of a transposed convolution (in, out, kh, kw)
    ("kernel", 2): (1, 0),
    ("value", 3): (1, 2, 0),
    ("position", 3): (1, 2, 0),
}
"""The axes of PyTorch's arrays in gandem's order, by the last part of the name and their number."""
MAX_NAMES = 3
"""Names in a list that an error or a notice shows."""


@dataclass(frozen=True, slots=True)
class _Link:
    """An array of the source that becomes one of the spec; ``axes`` as in the map."""

    name: str
    axes: tuple[int, ...] | None = None


class Transfer:
    """Loads the arrays of a source into the networks of a spec.

    Args:
        model, changes: what the spec was made from, to find the setting that differs.
    """

    def __init__(
        self,
        spec: Spec,
        source: WeightSource,
        names: NameMap,
        model: ModelLike,
        changes: Mapping[str, object],
    ) -> None:
        self.spec, self.source, self.names = spec, source, names
        self.model, self.changes = model, changes
        plans = list_plans(spec)
        self.nodes = {node.path: node for plan in plans for node in plan.walk()}
        self.shapes = network_shapes(spec)
        torch = names.layout == "torch"
        self.orders = {k: v for p in plans for k, v in feature_orders(p.nodes)} if torch else {}

    def load(self, state: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], OriginRecord]:
        """Return a state with the source's weights, and the record of where they come from.

        Raises:
            RunError: an array does not fit, or nothing does.
            SpecError: the map names an array or a layer that is not there.
        """
        source = self.source
        links = self._link()
        values = {name: self._convert(name, link) for name, link in links.items()}
        shapes = {name: value.shape for name, value in values.items()}
        layers = self._find_class_layers(shapes)
        kept = {name: value for name, value in values.items() if _layer(name) not in layers}
        misfits = [name for name in kept if shapes[name] != self.shapes[name]]
        if misfits:
            raise self._describe_misfit(misfits, links, shapes)
        loaded = {name: self._cast(name, value, state) for name, value in kept.items()}
        if not loaded:
            raise RunError(self._describe_no_match())
        used = {links[name].name for name in loaded}
        record = OriginRecord(
            source=source.name,
            digest=hash_contents({}, source.arrays),
            model=source.spec.name if source.spec else "",
            spec_digest=digest(source.spec) if source.spec else "",
            step=source.step,
            averaged=source.averaged,
            names={name: links[name].name for name in loaded if links[name].name != name},
            loaded=tuple(loaded),
            new=tuple(name for name in self.shapes if name not in loaded),
            unused=tuple(name for name in (*source.arrays, *source.others) if name not in used),
        )
        return replace_weights(state, loaded), record

    def _link(self) -> dict[str, _Link]:
        """Return which array of the source becomes each array of the spec."""
        arrays = self.source.arrays
        links = {name: _Link(name) for name in self.shapes if name in arrays}
        for key, value in self.names.arrays.items():
            links |= self._read_entry(key, value)
        for part in self.names.new:
            names = [name for name in self.shapes if _is_part(name, part)]
            if not names:
                raise SpecError(f"new: the spec has no layer {shown(part)}.{self._suggest(part)}")
            links = {name: link for name, link in links.items() if name not in names}
        return {name: links[name] for name in self.shapes if name in links}

    def _read_entry(self, key: str, value: str | SourceArray) -> dict[str, _Link]:
        """Return the arrays that an entry of the map names."""
        if key in self.shapes:
            link = _Link(value) if isinstance(value, str) else _Link(value.name, value.axes)
            self._check_name(key, link.name)
            return {key: link}
        node = self.nodes.get(key)
        if node is None or not (node.parameters or node.statistics):
            raise SpecError(
                f"arrays: the spec has no array or layer {shown(key)}.{self._suggest(key)}"
            )
        if not isinstance(value, str):
            raise SpecError(f"arrays: {key} is a layer, and axes belong to one array; name it.")
        links = {name: _Link(f"{value}.{short}") for name, short in self._list_arrays(node)}
        links = {name: link for name, link in links.items() if link.name in self.source.arrays}
        if not links:
            self._check_name(key, value)
            array = next(self._list_arrays(node))[0]
            raise SpecError(
                f"arrays: {key} is a layer, and {self.source.name} has an array {shown(value)}; "
                f"name the array of the layer, {shown(array)}."
            )
        return links

    def _list_arrays(self, node: Node) -> Iterator[tuple[str, str]]:
        """Yield the arrays of a layer, each with its usual name in the layout of the source."""
        for parameter in node.parameters + node.statistics:
            short = parameter.name.rpartition("/")[2]
            is_torch = self.names.layout == "torch"
            yield parameter.name, TORCH_NAMES.get(short, short) if is_torch else short

    def _check_name(self, key: str, name: str) -> None:
        source = self.source
        if name in source.others:
            raise RunError(self._describe_type(name))
        if name not in source.arrays:
            near = suggest(name, source.arrays)
            raise SpecError(f"arrays: {key}: {source.name} has no array {shown(name)}.{near}")

    def _describe_type(self, name: str) -> str:
        source = self.source
        kind = source.others[name]
        return f"{source.name}: {shown(name)} holds {kind}; expected F16, F32 or F64. Convert it."

    def _suggest(self, name: str) -> str:
        """Return the nearest arrays and layers: first those beside the one of this name."""
        names = (*self.shapes, *dict.fromkeys(map(_layer, self.shapes)))
        place = _layer(name)
        return suggest(name, [n for n in names if _layer(n) == place] or names)

    def _convert(self, name: str, link: _Link) -> np.ndarray:
        """Return an array of the source in gandem's layout."""
        value = self.source.arrays[link.name]
        path, _, short = name.rpartition("/")
        axes = link.axes
        if axes is None and self.names.layout == "torch":
            axes = TORCH_AXES.get((short, value.ndim))
        if axes is not None:
            if sorted(axes) != list(range(value.ndim)):
                raise SpecError(
                    f"arrays: {name}: expected axes with each of the numbers from 0 to "
                    f"{value.ndim - 1}, received {list(axes)}; the shape is {value.shape}."
                )
            value = value.transpose(axes)
        if value.shape == self.shapes[name]:
            for axis, side in enumerate(SIDES.get(short, ("outputs",))):
                if (path, side) in self.orders:
                    value = value.take(np.argsort(self.orders[path, side]), axis)
        return value

    def _find_class_layers(self, shapes: Mapping[str, Shape]) -> set[str]:
        """Return the layers of which arrays do not fit because of another number of classes: heads,
        embeddings, layers that read labels.

        They would fit in the same model with the source's classes, or differ on one axis, by the
        difference of the numbers of classes.
        """
        origin = self.source.spec
        if origin is None or origin.classes == self.spec.classes:
            return set()
        classes = {"classes": origin.classes}
        try:
            alike = network_shapes(load_spec(self.model, {**self.changes, **classes}))
        except GandemError:  # a spec whose layers have the number of classes
            alike = {}
        layers = set()
        for name, shape in shapes.items():
            pairs = itertools.zip_longest(shape, self.shapes[name], fillvalue=0)
            differences = [size - expected for size, expected in pairs if size != expected]
            if differences and (
                alike.get(name) == shape or differences == [origin.classes - self.spec.classes]
            ):
                layers.add(_layer(name))
        return layers

    def _cast(self, name: str, value: np.ndarray, state: Mapping[str, np.ndarray]) -> np.ndarray:
        with np.errstate(over="ignore"):  # the check reports it
            converted = np.ascontiguousarray(value, state[name].dtype).reshape(value.shape)
        if not np.isfinite(converted).all():
            raise RunError(
                f"{self.source.name}: {name} would hold numbers that are not finite; choose "
                "another checkpoint."
            )
        return converted

    def _describe_misfit(
        self, misfits: list[str], links: Mapping[str, _Link], shapes: Mapping[str, Shape]
    ) -> RunError:
        name, source = misfits[0], self.source
        other = f" ({links[name].name})" if links[name].name != name else ""
        more = f" (and {len(misfits) - 1} more)" if misfits[1:] else ""
        remedy = suggest_setting(self.spec, source, name, shapes, self.model, self.changes)
        return RunError(
            f"{name}: {source.name} has shape {shapes[name]}{other}, the spec expects "
            f"{self.shapes[name]}{more}. {remedy}"
        )

    def _describe_no_match(self) -> str:
        """Return why no array is loaded, and what to do."""
        source, new = self.source, self.names.new
        if all(any(_is_part(name, part) for part in new) for name in self.shapes):
            return (
                f"{source.name}: the name map leaves all arrays of the spec new; leave some names "
                "out of 'new'."
            )
        for name in source.others:
            if name in self.shapes:
                return self._describe_type(name)
        theirs = ", ".join(map(repr, [*source.arrays, *source.others][:MAX_NAMES]))
        if not theirs:
            return f"{source.name}: it holds no arrays."
        ours = ", ".join(map(repr, list(self.shapes)[:MAX_NAMES]))
        return (
            f"{source.name}: it holds {theirs} …, the spec has {ours} …, and none is loaded; "
            "say which is which with --map (docs/fine-tuning.md)."
        )


def _is_part(name: str, part: str) -> bool:
    """Return True if an array belongs to a layer or a player, or is the one of that name."""
    return f"{name}/".startswith(f"{part}/")


def _layer(name: str) -> str:
    """Return the path of the layer of an array."""
    return name.rpartition("/")[0]


def describe_origin(record: OriginRecord) -> str:
    """Return in one line which arrays were not loaded; empty if all were."""
    facts = []
    if record.new:
        layers = list(dict.fromkeys(map(_layer, record.new)))
        facts.append(f"new, with their initial values: {_list_names(layers)}")
    if record.unused:
        facts.append(f"not used: {_list_names(record.unused)}")
    count = format_count(len(record.loaded), "array")
    return f"{record.source}: {count} loaded; {'; '.join(facts)}." if facts else ""


def _list_names(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{', '.join(names[:MAX_NAMES])}{more}"
