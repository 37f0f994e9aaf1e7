"""Write docs/spec.md from the dataclasses of a spec: python docs/make_spec.py."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from gandem.core.fields import KINDS, Count, Fraction, Range, coerce, encode, hints
from gandem.core.specs import gan
from gandem.core.specs.initializers import Initializer
from gandem.core.specs.layers import Layer, Pads
from gandem.core.specs.optimizers import Optimizer
from gandem.core.specs.schedules import Number, Schedule
from gandem.core.specs.stages import Stage

PAGE = Path(__file__).with_name("spec.md")
INTRODUCTION = """\
# Fields of a spec

<!-- Written by docs/make_spec.py from the dataclasses in core/specs. Do not edit. -->

A spec is frozen data that describes a GAN and its training completely. `gandem show dcgan --toml >
mine.toml` writes the spec of a model as a TOML file; edit it and run `gandem train mine.toml`.
`--set PATH=VALUE` changes a field for one command:

```sh
gandem train dcgan --set training.epochs=5 --set generator.optimizer.learning_rate=1e-4
gandem show dcgan --set 'discriminator.layers.1={kind="elu"}'
```

A path starts with a field of the spec or with the name of a player; its beginning may be left out
where the rest is unique. Layers are numbered from 0. A field of the optimizer without a player,
like `learning_rate=1e-4`, changes all players. A new `kind`, like `optimizer.kind=sgd`, keeps the
fields that the new kind has too, except for defaults. Values are written as in TOML or Python;
quotes around a plain word may be left out. An unknown field is an error that suggests the nearest
name, and a value of the wrong type or range is refused before anything runs. Fields without a
default are required in a file; an error names all that are missing.

In Python, `gandem.spec("dcgan", **{"training.epochs": 5})` returns the spec, and the classes below
are in `gandem.core.specs`.
"""
SECTIONS = {
    "Top level": (gan.Spec, ""),
    "Images": (gan.Image, "image."),
    "Points": (gan.Points, "image."),
    "Noise": (gan.Latent, "latent."),
    "Loss": (gan.Loss, "loss."),
    "Training": (gan.Training, "training."),
    "Stages": (Stage, "training.stages.0."),
    "Augmentation": (gan.Augment, "training.augment."),
    "Consistency": (gan.Consistency, "loss.consistency."),
    "Path length": (gan.PathLength, "loss.path_length."),
    "Players": (gan.Player, "generator."),
}
"""Headings, each with its dataclass and the path of its fields."""
SCHEDULES = """\
A number whose type says "or schedule" may change during the training. A schedule is a table, or the
same as text: the fields in their order or by name, and the unit after the end.

```toml
learning_rate = { schedule = "cosine", from = 2e-4, to = 0, end = 20, unit = "epochs" }
learning_rate = "cosine(2e-4, 0, 20 epochs)"
learning_rate = "warmup(cosine(2e-4, 0, 9000, start=500), 500)"    # both in steps
ema_decay = "steps([0.9, 0.99, 0.999], [1000, 5000])"
```

The value is `from` until `start`, and `to` from `end` on; in formulas, p goes from 0 at `start` to
1 at `end`. Times are numbers of steps, or of passes over the data (`unit = "epochs"`), that lie
behind; a pass that is not complete counts in part. gandem evaluates a schedule in float64 as a
function of the step alone, so a resumed run and another framework get the same values. `gandem
show` draws schedules; the log and the curves contain their values.
In Python, `from` is `from_`, as `gandem.core.specs.Cosine(from_=2e-4, to=0, end=20)`.
"""
MEANINGS = {
    "Spec.name": "name of the model",
    "Spec.image": "what the generator makes: [images](#images) or [points](#points)",
    "Spec.latent": "the [noise](#noise)",
    "Spec.classes": "number of classes of a conditional GAN; 0 for none",
    "Spec.loss": "the [loss](#loss)",
    "Spec.training": "the [training protocol](#training)",
    "Spec.players": "generator, discriminator, encoder, auxiliary networks: [players](#players)",
    "Image.height": "in pixels",
    "Image.width": "in pixels",
    "Image.channels": "1 for gray, 3 for colored images; 2 and 4 have transparency last",
    "Image.low": "the value of black inside the networks",
    "Image.high": "the value of white inside the networks",
    "Points.size": "number of coordinates",
    "Points.low": "lower limit of plots",
    "Points.high": "upper limit of plots",
    "Latent.size": "number of noise values, the latent code included",
    "Latent.distribution": "N(0, 1) or U(-1, 1)",
    "Latent.categories": "values that are a one-hot class",
    "Latent.codes": "values that are U(-1, 1) codes",
    "Loss.name": "id of the loss; `gandem list` shows all",
    "Training.batch_size": "images per batch",
    "Training.epochs": "passes over the data",
    "Training.discriminator_steps": "updates of the discriminator per step",
    "Training.batches_per_epoch": 'with `sampling = "replacement"`: batches per epoch',
    "Training.stages": "[stages](#stages) at rising resolutions, which replace `epochs`",
    "Loss.consistency": "[consistency](#consistency) of the logits under changes of the image",
    "Loss.path_length": "[path length](#path-length) regularization of the generator",
    "Training.augment": "differentiable [augmentation](#augmentation)",
    "Player.name": "`generator`, `discriminator`, `encoder`, or the name of an auxiliary network",
    "Player.input": "the input of the first layer: `noise`, `image` or `label`",
    "Player.optimizer": "one of the [optimizers](#optimizers)",
    "Optimizer.learning_rate": "size of an update",
    "Player.layers": "the [layers](#layers), first to last",
    "Player.outputs": "names of layers whose outputs a loss reads",
    "Player.frozen": "names of layers whose weights no update changes",
}
"""What fields mean, where the docstring of the class has no description of its own for them."""
FAMILIES = {
    "Optimizers": Optimizer,
    "Schedules": Schedule,
    "Layers": Layer,
    "Initializers": Initializer,
}
EXAMPLES: dict[str, Any] = {
    "Spec.name": "my-gan",
    "Spec.classes": 10,
    "Spec.loss": {"name": "hinge"},
    "Spec.training": {"epochs": 5},
    "Image.height": 32,
    "Image.width": 32,
    "Image.channels": 3,
    "Image.low": 0.0,
    "Image.high": 1.0,
    "Points.size": 2,
    "Points.low": -2.0,
    "Points.high": 2.0,
    "Slice.start": 20,
    "Slice.stop": 40,
    "Latent.size": 64,
    "Latent.categories": 10,
    "Latent.codes": 2,
    "Loss.name": "hinge",
    "Loss.label_smoothing": 0.1,
    "Loss.gradient_penalty": 10.0,
    "Loss.gradient_penalty_norm": 0.0,
    "Loss.gradient_penalty_points": "near-real",
    "Loss.r1": 1.0,
    "Loss.r2": 1.0,
    "Loss.penalty_interval": 16,
    "Loss.lecam": 0.3,
    "Loss.lecam_decay": 0.9,
    "Loss.drift": 0.001,
    "Loss.consistency": {"real": 10, "fake": 10, "flip": True},
    "Loss.path_length": {"weight": 2, "layer": "styles", "interval": 8},
    "Loss.feature_matching": 1.0,
    "Loss.adversarial_weight": 0.0,
    "Loss.orthogonal": 1e-4,
    "Loss.top_k": 0.5,
    "Loss.class_weight": 1.0,
    "Training.batch_size": 128,
    "Training.epochs": 5,
    "Training.discriminator_steps": 5,
    "Training.ema_decay": 0.99,
    "Training.ema_half_life": 10_000.0,
    "Training.lookahead_interval": 5,
    "Training.lookahead_share": 0.7,
    "Training.batches_per_epoch": 100,
    "Training.generator_batches": 2,
    "Training.discriminator_skip_below": 0.3,
    "Training.weight_clip": 0.01,
    "Training.pac": 2,
    "Training.instance_noise": 0.1,
    "Training.augment": {"flip": True},
    "Training.stages": [{"resolution": 8, "length": 800_000}],
    "Stage.unit": "epochs",
    "resolution": 8,
    "length": 1_600_000.0,
    "fade_in": 800_000.0,
    "batch_size": 16,
    "weight": 0.3,
    "Augment.probability": 0.5,
    "Augment.adaptive_target": 0.6,
    "Augment.adaptive_images": 100_000,
    "Consistency.real": 10.0,
    "Consistency.fake": 10.0,
    "PathLength.weight": 2.0,
    "PathLength.layer": "styles",
    "PathLength.interval": 8,
    "PathLength.shrink": 2,
    "translation": 0.125,
    "cutout": 0.25,
    "brightness": 0.5,
    "saturation": 1.0,
    "contrast": 0.5,
    "Player.name": "generator",
    "Player.input": "noise",
    "Player.outputs": ["features"],
    "Player.frozen": ["conv2d"],
    "Add.input": "layer:stem",
    "Blend.input": "layer:stem",
    "ModulatedConv2D.input": "layer:style",
    "ModulatedConv2D.padding": [[1, 1], [1, 1]],
    "ModulatedConv2DTranspose.input": "layer:style",
    "ModulatedConv2DTranspose.padding": [[1, 0], [1, 0]],
    "Resample2D.padding": "reflect",
    "Styles.count": 8,
    "Styles.mixing": 0.9,
    "reduction": 4,
    "value_reduction": 2,
    "filters": 64,
    "units": 64,
    "kernel": 4,
    "stride": 2,
    "dilation": 2,
    "equalized_gain": 1.0,
    "learning_rate_multiplier": 0.01,
    "filter": [1.0, 2.0, 1.0],
    "up": 2,
    "down": 2,
    "group_size": 8,
    "features": 2,
    "factor": 3,
    "size": 3,
    "shape": [7, 7, 64],
    "Conv2D.padding": [[1, 1], [1, 1]],
    "Conv2DTranspose.padding": [[1, 0], [1, 0]],
    "groups": 4,
    "rate": 0.3,
    "slope": 0.2,
    "alpha": 0.5,
    "epsilon": 1e-3,
    "decay": 0.99,
    "gain": 2.0,
    "mean": 0.1,
    "std": 0.01,
    "input": "label",
    "name": "stem",
    "learning_rate": 2e-4,
    "clip_norm": 1.0,
    "from_": 2e-4,
    "to": 1e-5,
    "end": 5000.0,
    "start": 500.0,
    "then": 2e-4,
    "values": [2e-4, 1e-4],
    "boundaries": [5000.0],
    "times": [0.0, 5000.0],
    "beta1": 0.5,
    "beta2": 0.99,
    "momentum": 0.9,
    "weight_decay": 1e-4,
}
"""Examples of fields, by name or by ``Class.name``, where none follows from the type."""


def make_page() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION]
    texts = {"Schedules": SCHEDULES}
    for title, (cls, path) in SECTIONS.items():
        parts.append(f"## {title}\n\n{_describe(cls)}{_table(cls, path)}")
    for title, family in FAMILIES.items():
        parts.append(f"## {title}\n\n{texts.get(title, '')}{_introduce(family)}")
        shared = set(hints(family))
        for kind, cls in KINDS[family].items():
            parts.append(f"### `{kind}`\n\n{_describe(cls)}{_table(cls, '', hidden=shared)}")
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _introduce(family: type) -> str:
    """Return the text below the heading of a family of tagged tables, with its shared fields."""
    name = family.__name__.lower()
    article = "an" if name[0] in "aeiou" else "a"
    first = next(iter(KINDS[family].values()))
    if family is Schedule:
        return ""
    text = f"`kind` selects {article} {name}: `{_inline(_example_of(first))}`."
    shared = hints(family)
    table = _table(family, "") if shared else ""
    return f"{text}{' All have:' if shared else ''}\n{table and chr(10)}{table}"


# --- fields ----------------------------------------------------------------------------------


def _table(cls: Any, path: str, hidden: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """Return the table of a dataclass's fields, or nothing if it has none."""
    texts = {name: text for name, text in _field_texts(cls).items() if name not in hidden}
    rows = []
    for field in dataclasses.fields(cls):
        if field.name in hidden:
            continue
        hint = hints(cls)[field.name]
        default = _default_text(field)
        cells = (
            f"`{path}{field.name.rstrip('_')}`",
            _type_text(hint),
            default,
            f"`{_inline(_example(cls, field, hint))}`",
            *([texts.get(field.name, "")] if texts else []),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if not rows:
        return ""
    heads = ["field", "type", "default", "example", *(["meaning"] if texts else [])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|", *rows]
    return "\n".join(lines) + "\n"


def _default_text(field: dataclasses.Field[Any]) -> str:
    if _is_required(field):
        return "required"
    return "none" if field.default is None else f"`{_inline(encode(field.default))}`"


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING


def _type_text(hint: Any) -> str:
    """Return the type of a field in words."""
    origin, args = get_origin(hint), get_args(hint)
    if hint == Count:
        return "integer ≥ 1"
    if hint == Fraction:
        return "0 ≤ number < 1"
    if hint == Pads:
        return "[[top, bottom], [left, right]] in pixels"
    if origin is Annotated:
        limits = next(limit for limit in args if isinstance(limit, Range))
        text = str(limits).replace("a number", "integer" if args[0] is int else "number")
        schedule = " or [schedule](#schedules)" * (args[0] == Number)
        return text.replace(" ≤ 2147483647", "") + schedule
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_text(part) for part in args if part is not type(None))
    if origin is tuple and args[-1] is ...:
        return (
            f"list of {_type_text(args[0])}s".replace("≥ 1s", "≥ 1")
            .replace("integer ", "integers ")
            .replace("number or schedules", "numbers or schedules")
        )
    if origin is tuple and args == (Count, Count, Count):
        return "[height, width, channels], integers ≥ 1"
    if origin is tuple and set(args) == {Count}:
        return "integer ≥ 1, or [vertical, horizontal]"
    names = {int: "integer", float: "number", str: "string", bool: "true or false"}
    return names.get(hint) or getattr(hint, "__name__", str(hint)).lower()


def _example(cls: Any, field: dataclasses.Field[Any], hint: Any) -> Any:
    """Return plain data that the field accepts, other than its default where possible."""
    key = f"{cls.__name__}.{field.name}"
    if key in EXAMPLES or field.name in EXAMPLES:
        value = EXAMPLES.get(key, EXAMPLES.get(field.name))
    else:
        value = _derived_example(hint, field.default)
    coerce(hint, value, key)
    return value


def _derived_example(hint: Any, default: Any) -> Any:
    args = get_args(hint)
    if hint is bool:
        return not default
    if get_origin(hint) is Literal:
        return next(value for value in args if value != default)
    if get_origin(hint) is tuple:
        return [_example_of(args[0])]
    if hint is Initializer:
        return {"kind": "normal", "std": 0.02}
    if get_origin(hint) in (Union, types.UnionType):
        return _example_of(args[0])
    return _example_of(hint)


def _example_of(cls: Any) -> dict[str, Any]:
    """Return a table of a dataclass with its required fields only."""
    if cls in KINDS:
        cls = {Layer: KINDS[Layer]["relu"], Optimizer: KINDS[Optimizer]["adam"]}[cls]
    kind = {getattr(cls, "tag", "kind"): cls.kind} if getattr(cls, "kind", "") else {}
    required = [field for field in dataclasses.fields(cls) if _is_required(field)]
    return kind | {field.name: _example(cls, field, hints(cls)[field.name]) for field in required}


def _inline(value: Any) -> str:
    """Return plain data as one line of TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return "" if value is None else json.dumps(value)


# --- docstrings ------------------------------------------------------------------------------

_FIELD = re.compile(r"^(?:``(\w+)``|    (\w+)): ", re.MULTILINE)
"""The start of a field's description: ````name``: text``, or ``name: text`` below Attributes."""


def _describe(cls: Any) -> str:
    """Return the docstring of a class as Markdown, without the descriptions of its fields."""
    text = inspect.cleandoc(cls.__doc__)
    first = _FIELD.search(text)
    described = first and (first[1] or first[2]) in _field_names(cls)
    text = text[: first.start()] if first and described else text
    text = re.sub(r"\n+Attributes:\s*$", "", text.rstrip()).rstrip()
    return _markdown(text) + "\n\n"


def _field_names(cls: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _field_texts(cls: Any) -> dict[str, str]:
    """Return the description of each field, from the docstring of its class if that has one."""
    inherited: dict[str, str] = {}
    for base in cls.__bases__:
        if dataclasses.is_dataclass(base):
            inherited |= _field_texts(base)
    text = inspect.cleandoc(cls.__doc__)
    names = _field_names(cls)
    starts = [m for m in _FIELD.finditer(text) if (m[1] or m[2]) in names]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    missing = {n: MEANINGS[k] for n in names if (k := f"{cls.__name__}.{n}") in MEANINGS}
    return (
        inherited
        | missing
        | {
            match[1] or match[2]: _markdown(" ".join(text[match.end() : end].split()))
            for match, end in zip(starts, ends, strict=False)
        }
    )


def _markdown(text: str) -> str:
    """Return reStructuredText as Markdown: code, references and formulas."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    text = text.replace("``", "`").replace(".  ", ". ").replace("`from_`", "`from`")
    return re.sub(r"^\.\. math::((?:.|\n(?!\n|\S))*)", _formula, text, flags=re.MULTILINE)


def _formula(match: re.Match[str]) -> str:
    return f"```math\n{textwrap.dedent(match[1]).strip()}\n```"


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
