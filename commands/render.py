"""Text for specs and runs."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from gandem.commands.render_training import format_schedules, format_stages
from gandem.core.errors import format_count, printable
from gandem.core.fields import Checked, encode
from gandem.core.specs import (
    Node,
    Points,
    Schedule,
    Spec,
    digest,
    plan_spec,
)
from gandem.terminal.tables import format_table

if TYPE_CHECKING:  # `gandem show` must not import what only a run needs
    from gandem.commands.run_summaries import Summary
    from gandem.core.plugins.entry import Entry
    from gandem.core.runs import Run, Settings
    from gandem.core.runs.record import RunRecord, Segment

ALWAYS_SHOWN = ("batch_size", "epochs", "discriminator_steps", "noise", "passes")
"""Fields of the training that are shown even at their defaults."""


def describe_layers(spec: Spec) -> dict[str, list[dict[str, Any]]]:
    """Return the layers of each network: name, kind, output shape, number of parameters, and what
    each reads beside the layer before it.
    """
    return {
        name: [
            {
                "name": node.path.partition("/")[2],
                "kind": node.layer.kind,
                "output_shape": list(node.output_shape),
                "parameters": sum(p.size for inner in node.walk() for p in inner.parameters),
                "reads": list(_inputs_read(node)),
            }
            for node in plan.nodes
        ]
        for name, plan in plan_spec(spec).items()
    }


def format_spec(spec: Spec) -> str:
    """Return the layers, optimizers and settings of a spec."""
    lines = [f"{spec.name}  (spec {digest(spec)[:12]})", ""]
    layers = describe_layers(spec)
    for name, plan in plan_spec(spec).items():
        reads = ", ".join(f"{key} {shape}" for key, shape in plan.inputs.items())
        lines.append(f"{name}: {plan.parameter_count:,} parameters, reads {reads}")
        rows = [
            (
                row["name"],
                tuple(row["output_shape"]),
                f"{n:,}" if (n := row["parameters"]) else "",
                _format_facts(node),
            )
            for row, node in zip(layers[name], plan.nodes, strict=True)
        ]
        lines.append(format_table(rows))
        frozen = f", but for {', '.join(plan.frozen)} (frozen)" if plan.frozen else ""
        lines += [f"  trained by {_format_fields(spec.player(name).optimizer)}{frozen}", ""]
    return "\n".join(
        [
            *lines,
            f"image      {_format_image(spec)}",
            f"latent     {_format_latent(spec)}",
            f"classes    {spec.classes or 'none'}",
            f"loss       {_format_chosen(spec.loss, 'name', 'halves')}",
            f"training   {_format_training(spec)}",
            *format_stages(spec),
            *format_schedules(spec),
        ]
    )


def _format_training(spec: Spec) -> str:
    """Return the training protocol; stages have a table of their own and replace the epochs."""
    if not spec.training.stages:
        return _format_chosen(spec.training, *ALWAYS_SHOWN)
    plain = replace(spec.training, stages=())
    return _format_chosen(plain, *(name for name in ALWAYS_SHOWN if name != "epochs"))


def format_recipe(entry: Entry) -> str:
    """Return the data that a model is trained on by default.

    >>> from gandem.core.specs import find_model
    >>> format_recipe(find_model("dcgan-dropout"))
    'recipe     mnist, classes 3, 8'
    """
    classes = f", classes {', '.join(map(str, entry.classes))}" if entry.classes else ""
    return f"recipe     {entry.data}{classes}"


def _format_latent(spec: Spec) -> str:
    """Return the composition of the noise.

    >>> from gandem.core.specs import load_spec
    >>> _format_latent(load_spec("dcgan", {"latent.categories": 10, "latent.codes": 2}))
    '100 numbers: one of 10 categories, 2 codes from -1 to 1, 88 normal'
    """
    latent = spec.latent
    rest = latent.size - latent.categories - latent.codes
    if not latent.parts:
        return format_count(latent.size, f"{latent.distribution} number")
    parts = {
        f"one of {latent.categories} categories": latent.categories,
        f"{latent.codes} codes from -1 to 1": latent.codes,
        f"{rest} {latent.distribution}": rest,
    }
    composition = ", ".join(part for part, count in parts.items() if count)
    return f"{latent.size} numbers: {composition}"


def _format_image(spec: Spec) -> str:
    image = spec.image
    span = f"from {image.low:g} to {image.high:g}"
    if isinstance(image, Points):
        return f"points of {format_count(image.size, 'number')}, drawn {span}"
    return f"{image.shape}, pixels {span}"


def _inputs_read(node: Node) -> dict[str, None]:
    """Return the inputs and earlier layers that a layer, or one inside it, reads, in order."""
    return dict.fromkeys(inner.reads for inner in node.walk() if inner.reads)


def _format_facts(node: Node) -> str:
    """Return what a layer reads, and whether it has spectral norm.

    >>> from gandem.core.specs import load_spec
    >>> _format_facts(plan_spec(load_spec("cgan"))["generator"].nodes[0])
    'reads label'
    """
    names = _inputs_read(node)
    facts = [f"reads {', '.join(names)}"] if names else []
    if any(inner.layer.has_spectral_norm for inner in node.walk()):
        facts.append("spectral norm")
    return "; ".join(facts)


def _format_randomness(settings: Settings | None) -> str:
    """Return a note if the random numbers come from the device."""
    on_device = settings is not None and settings.randomness == "device"
    return ", device randomness" if on_device else ""


def format_run(run: Run) -> str:
    """Return the state, backend, data and results of a run."""
    record, state = run.record, run.status()
    done = run.count_steps()
    of = f"{done} of " if state != "finished" else ""
    steps = format_count(done if state == "finished" else record.steps_planned, "step")
    rate = f" ({record.steps_per_second} steps/s)" if record.steps_per_second else ""
    rows = {
        "run": run.path,
        "state": f"{state} after {of}{steps}, {record.seconds} s{rate}",
        "on": f"{record.backend} ({record.device}, {record.precision}), seed {record.seed}"
        f"{_format_randomness(record.settings)}",
        "data": f"{record.data.name}, {format_count(record.data.count, _sample_noun(run.spec))}",
        **_format_origin(record),
        **_format_metrics(record.losses),
        **_format_evaluation(record),
        **_format_health(run.spec, record.health),
    }
    return "\n".join(f"{name:<9}  {text}" for name, text in rows.items())


def _sample_noun(spec: Spec) -> str:
    return "point" if isinstance(spec.image, Points) else "image"


def _format_origin(record: RunRecord) -> dict[str, str]:
    """Return where the first weights come from, if they were not drawn."""
    origin = record.origin
    if origin is None:
        return {}
    step = "" if origin.step is None else f", step {origin.step}"
    return {"from": f"{origin.source}{step}"}


def _format_evaluation(record: RunRecord) -> dict[str, str]:
    """Return the last scores of a training with the real baseline, and the time they took."""
    evaluation = record.evaluation
    if evaluation is None:
        return {}
    try:
        last, baseline = dict(evaluation["last"]), evaluation["real_baseline"]
        seconds, times = float(evaluation["seconds"]), int(evaluation["times"])
        scores = format_scores(last.pop("step"), last)
        scores += f"; real images get {baseline['frechet']:.3g}"
        share = seconds / record.seconds
    except (TypeError, KeyError, ValueError, ZeroDivisionError):  # edited by hand
        return {}
    return {
        "scores": scores,
        "scoring": f"{format_count(times, 'time')} in {seconds:.1f} s, {share:.0%} of the time",
    }


def _format_health(spec: Spec, health: Any) -> dict[str, str]:
    """Return the verdict of the diagnostics and the last measured accuracy."""
    if not isinstance(health, dict):
        return {}
    rows = {"health": printable(str(health.get("verdict", "?")))}
    accuracy = health.get("accuracy")
    if isinstance(accuracy, dict) and all(
        isinstance(accuracy.get(name), int | float) for name in ("real", "fake", "count", "step")
    ):
        rows["probe"] = (
            f"{accuracy['real']:.0%} of {accuracy['count']} real and {accuracy['fake']:.0%} of "
            f"{accuracy['count']} fake {_sample_noun(spec)}s classified correctly, "
            f"at step {accuracy['step']}"
        )
    return rows


def format_outcome(run: Run) -> str:
    """Return the results of a training and the next commands."""
    folder = shlex.quote(str(run.path))
    lines = [format_run(run)]
    if run.record.state == "interrupted":
        lines.append("saved      the log, samples and state so far")
    lines += [f"samples    {path}" for path in run.samples()[-1:]]
    lines += [f"weights    {path}" for path in run.checkpoints()[-1:]]
    if run.record.state == "interrupted":
        lines.append(f"resume     gandem resume {folder}")
    lines.append(f"next       gandem generate {folder} -o grid.png")
    return "\n".join(lines)


def describe_run(run: Run) -> dict[str, Any]:
    """Return a run as plain data."""
    return {
        "path": str(run.path),
        **run.record.to_data(),
        "state": run.status(),
        "steps": run.count_steps(),
        "checkpoints": [str(path) for path in run.checkpoints()],
        "samples": [str(path) for path in run.samples()],
    }


def format_run_details(run: Run) -> str:
    """Return a run with its checkpoints and segments."""
    samples, checkpoints = run.samples(), run.checkpoints()
    rows = [("best", _format_best(asdict(run.record.best) if run.record.best else None))]
    rows += [("samples", f"{len(samples)}, the last {path}") for path in samples[-1:]]
    rows += [("kept", f"{path} ({path.stat().st_size / 1e6:.1f} MB)") for path in checkpoints]
    for segment in run.record.segments:
        rows += _format_segment(segment)
    lines = [format_run(run), *(f"{name:<9}  {text}".rstrip() for name, text in rows)]
    return printable("\n".join(lines), keep="\n")


def _format_segment(segment: Segment) -> list[tuple[str, str]]:
    """Return the backend, versions, command and notes of a segment."""
    versions = ", ".join(f"{name} {version}" for name, version in segment.versions.items())
    return [
        ("from step", f"{segment.first_step}: {segment.backend} ({segment.device})"),
        ("", f"{segment.started}, gandem {segment.gandem}, {versions}"),
        ("", segment.command),
        *(("", f"allowed to change: {name}") for name in segment.changed),
        *(("", note) for note in segment.notes),
    ]


def format_runs(runs: Iterable[Summary]) -> str:
    """Return runs as a table."""
    head = ("run", "model", "backend", "data", "step", "best", "state", "health")
    rows = [
        (
            run.path,
            run.model,
            run.backend,
            run.data,
            f"{run.step}/{'?' if run.steps is None else run.steps}" if run.model else "",
            _format_best(run.best),
            f"{run.state}: {run.problem}" if run.problem else run.state,
            run.health,
        )
        for run in runs
    ]
    return printable(format_table([head, *rows]), keep="\n")


def _format_best(best: Mapping[str, Any] | None) -> str:
    return "-" if best is None else f"{best['metric']} {best['value']:.4g} at step {best['step']}"


def format_losses(losses: Mapping[str, float]) -> str:
    """Return losses in a short form for the progress bar.

    >>> format_losses({"discriminator": 1.25, "generator": 0.5, "fake_accuracy": 1.0})
    'd 1.250  g 0.500'
    >>> format_losses({"discriminator": 1.25, "generator": 0.5, "recognizer": 2.3})
    'd 1.250  g 0.500  recognizer 2.300'
    """
    short = {"discriminator": "d", "generator": "g"}
    return "  ".join(
        f"{short.get(name, name)} {value:.3f}"
        for name, value in losses.items()
        if not name.endswith("_accuracy")
    )


def format_accuracy(accuracy: Mapping[str, Any]) -> str:
    """Return the discriminator's accuracy on the fixed batch in one line.

    >>> format_accuracy({"epoch": 10, "real": 0.87, "fake": 0.93, "count": 100})
    'epoch 10: the discriminator classifies 87 % of 100 real and 93 % of 100 fake images correctly'
    """
    count, real, fake = accuracy["count"], 100 * accuracy["real"], 100 * accuracy["fake"]
    return (
        f"epoch {accuracy['epoch']}: the discriminator classifies {real:.0f} % of {count} real and "
        f"{fake:.0f} % of {count} fake images correctly"
    )


def format_scores(step: int, scores: Mapping[str, float]) -> str:
    """Return the scores at a step in one line.

    >>> format_scores(100, {"frechet": 12.345, "kernel": 0.01, "kernel_error": 0.001})
    'step 100: Fréchet distance 12.3, kernel distance 0.01 ± 0.001 (standard error)'
    """
    from gandem.metrics.evaluation import MEASURES, format_value

    texts = []
    for name, measure in MEASURES.items():
        if name in scores:
            spread = f" ({measure.spread})" if measure.error in scores else ""
            texts.append(f"{measure.title} {format_value(scores, name)}{spread}")
    return f"step {step}: {', '.join(texts)}"


def _format_metrics(losses: Mapping[str, float | None]) -> dict[str, str]:
    """Return the last losses and the discriminator's accuracies."""
    rows: dict[str, list[str]] = {}
    for name, value in losses.items():
        number = float("nan") if value is None else value
        if name.endswith("_accuracy"):
            text = f"{name.removesuffix('_accuracy')} {number:.0%}"
            rows.setdefault("accuracy", []).append(text)
        else:
            rows.setdefault("losses", []).append(f"{name} {number:.3f}")
    texts = {name: ", ".join(parts) for name, parts in rows.items()}
    if "accuracy" in texts:
        texts["accuracy"] += " (discriminator, last batch)"
    return texts


def _format_chosen(data: Any, *always: str) -> str:
    """Return the fields that differ from their defaults, and some that are always shown."""
    changed = encode(data, defaults=False)
    names = [name for name in encode(data) if name in changed or name in always]
    return ", ".join(_format_field(name, getattr(data, name)) for name in names)


def _format_field(name: str, value: Any) -> str:
    is_table = isinstance(value, Checked) and not isinstance(value, Schedule)
    return f"{name} ({_format_chosen(value)})" if is_table else f"{name} {value}"


def _format_fields(data: Any) -> str:
    return _format_chosen(data, *encode(data))
