"""Loading specs by the name of a model or from a file, and the kinds of plugins they may name."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, starmap
from pathlib import Path
from typing import Any, get_type_hints

from gandem.core.errors import GandemError, NotFoundError, SpecError, shown, suggest
from gandem.core.fields import can_check, coerce
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.isolation import format_error, stdout_to_stderr
from gandem.core.plugins.loading import import_target
from gandem.core.plugins.registry import registry
from gandem.core.specs.composition import MOST_LAYERS, Expansion
from gandem.core.specs.gan import Image, Spec
from gandem.core.specs.overrides import change
from gandem.core.specs.serialization import read_spec
from gandem.core.specs.validation import plan_spec

SUFFIXES = (".toml", ".json")
"""The endings of the names of spec files."""

ModelLike = str | os.PathLike[str] | Entry | Spec
"""A model's name or entry, the path of a spec file, or a spec."""


def find_model(model: ModelLike) -> Entry | None:
    """Return the entry of a model; None for a spec and for the path of a spec file.

    Raises:
        NotFoundError, ClashError: as :meth:`gandem.core.plugins.registry.Registry.find`.
    """
    if isinstance(model, Entry):
        return model
    if isinstance(model, Spec):
        return None
    name = os.fspath(model)
    if name.lower().endswith(SUFFIXES) or (os.sep in name and os.path.isfile(name)):
        return None
    try:
        return registry().find("models", name)
    except NotFoundError as error:
        if os.path.isfile(name) or name.lower().endswith((".yaml", ".yml")):
            raise SpecError(f"{name}: the name of a spec file ends in .toml or .json.") from None
        if os.path.isfile(os.path.join(name, "spec.toml")):
            raise NotFoundError(
                f"{name} is a run; its spec is the file {os.path.join(name, 'spec.toml')}."
            ) from None
        raise error


def load_spec(
    model: ModelLike,
    settings: Mapping[str, Any] | None = None,
    *,
    small: bool = False,
    options: Iterable[str] = (),
) -> Spec:
    """Return the spec of a model with some settings changed.

    A spec file and the settings may name kinds of plugins; the spec holds gandem's own. Whether
    its loss exists and fits, :func:`gandem.core.training.losses.resolve_loss` checks.

    Args:
        settings: keyword parameters of the model (``latent``), and fields of the spec by path
            (``latent.size``).
        small: use the model's small size, which parity is measured at.
        options: settings of the training, to suggest for an unknown path.

    Raises:
        NotFoundError: there is no such model.
        SpecError: a setting fits nothing, or the spec is not valid.
    """
    settings = dict(settings or {})
    entry = find_model(model)
    if entry is not None:
        return _call_model(entry, settings, entry.small if small else {}, options)
    if small:
        raise SpecError(f"{model}: a spec has one size; leave --size out or write 'full'.")
    spec = model if isinstance(model, Spec) else read_spec(Path(str(model)), PLUGIN_KINDS)
    return change(spec, settings, plugins=PLUGIN_KINDS, options=options)


def list_parameters(entry: Entry) -> dict[str, Any]:
    """Return the parameters of a model, each with its default."""
    return {name: p.default for name, p in _parameters(entry, import_target(entry)).items()}


def _call_model(
    entry: Entry, settings: dict[str, Any], small: Mapping[str, Any], options: Iterable[str]
) -> Spec:
    """Return the spec of a model, called with the settings that are its parameters."""
    function = import_target(entry)
    parameters = _parameters(entry, function)
    own = {name: settings.pop(name) for name in list(settings) if name in parameters}
    own = _convert(function, parameters, own)
    try:
        spec = _call(entry, function, {**small, **own})
        if not isinstance(spec, Spec):
            raise SpecError(f"The {entry.full_name} returned {type(spec).__name__}.")
        plan_spec(spec)
    except SpecError as error:
        if not own or error.__cause__ is not None:
            raise
        raise SpecError(f"{', '.join(starmap(_written, own.items()))}: {error}") from None
    try:
        return change(spec, settings, parameters, PLUGIN_KINDS, options)
    except SpecError as error:
        sides = ("height", "width", "channels")
        changed = {name: settings[f"image.{name}"] for name in sides if f"image.{name}" in settings}
        if not changed or "image" not in parameters or not isinstance(spec.image, Image):
            raise
        shape = [changed.get(name, getattr(spec.image, name)) for name in sides]
        raise SpecError(
            f"{error} Set the parameter of the model instead: {_written('image', shape)}."
        ) from None


def _convert(
    function: Callable[..., Any],
    parameters: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """Return arguments converted to the annotations of the parameters.

    Raises:
        SpecError: an argument has another type.
    """
    try:
        annotations = get_type_hints(function, include_extras=True)
    except Exception:  # third-party code may raise anything
        annotations = {}
    converted = dict(arguments)
    for name, value in arguments.items():
        if name not in annotations or not can_check(annotations[name]):
            continue
        try:
            converted[name] = coerce(annotations[name], value, name, Expansion(PLUGIN_KINDS))
        except SpecError as error:
            default = parameters[name].default
            example = "" if default is inspect.Parameter.empty else _written(name, default)
            text = str(error)
            if example and text.endswith("?"):
                text += f" For example {example}."
            elif example:
                text = f"{text.removesuffix('.')}; for example {example}."
            raise SpecError(text) from None
    return converted


def _written(name: str, value: Any) -> str:
    """Return a setting as it is written: ``image=[28, 28, 1]``."""
    return f"{name}={shown(list(value) if isinstance(value, tuple) else value)}"


class RegistryKinds:
    """The layers and schedules of the registry; see :class:`gandem.core.specs.PluginKinds`."""

    def kinds(self, group: str) -> list[str]:
        """Return the ids of ``"layers"`` or ``"schedules"``."""
        return [entry.id for entry in registry().entries(group)]

    def make(self, group: str, kind: str, arguments: Mapping[str, Any]) -> object:
        """Return what the function with an id returns for some arguments.

        Raises:
            NotFoundError, ClashError: there is no such entry, or more than one.
            SpecError: the arguments do not fit.
        """
        entry = registry().find(group, kind)
        function = import_target(entry)
        parameters = _parameters(entry, function)
        is_open = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        for name in arguments:
            if name not in parameters and not is_open:
                near = suggest(name, parameters)
                raise SpecError(f"{entry.id!r} has no parameter {shown(name)}.{near}")
        for name, parameter in parameters.items():
            is_optional = parameter.default is not parameter.empty or parameter.kind in _VARIADIC
            if name not in arguments and not is_optional:
                raise SpecError(f"{entry.id!r} needs its parameter {name!r}.")
        arguments = _convert(function, parameters, arguments)
        return _call(entry, lambda **given: _listed(function(**given)), arguments)


PLUGIN_KINDS = RegistryKinds()
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _listed(value: object) -> object:
    """Return what an iterator yields, at most one layer more than allowed; else the value."""
    return tuple(islice(value, MOST_LAYERS + 1)) if isinstance(value, Iterator) else value


def _parameters(entry: Entry, function: object) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of the target of an entry.

    Raises:
        SpecError: it is not a function.
    """
    try:
        return inspect.signature(function).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise SpecError(
            f"The {entry.full_name} is not a function: {entry.target} is of type "
            f"{type(function).__name__}."
        ) from None


def _call(entry: Entry, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call the target of an entry.

    Raises:
        SpecError: it failed.
    """
    try:
        with stdout_to_stderr():
            return function(**arguments)
    except (GandemError, KeyboardInterrupt):
        raise
    except BaseException as error:  # third-party code may raise anything
        given = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
        raise SpecError(
            f"The {entry.full_name} could not be created with {given or 'its defaults'}: "
            f"{format_error(error)}"
        ) from error
