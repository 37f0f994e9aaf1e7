"""What commands show to people: specs, runs and reports as lines of text."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from gandem.commands.tables_ import aligned
from gandem.core.fields import encode
from gandem.core.specs import Node, Points, Spec, digest, plan_spec

if TYPE_CHECKING:  # `gandem show` shall not wait for what only a run or a report needs
    from gandem.core.plugins.hookspecs import Entry
    from gandem.core.runs import Run
    from gandem.core.runs.listing import Summary
    from gandem.parity import Handover, Report, Tandem

__all__ = [
    "layers_of",
    "losses_in_short",
    "outcome_in_words",
    "recipe_in_words",
    "report_in_words",
    "run_in_data",
    "run_in_full",
    "run_in_words",
    "runs_in_words",
    "scores_in_short",
    "spec_in_words",
    "tandem_in_words",
]


USUAL = ("batch_size", "epochs", "discriminator_steps", "noise", "passes")
"""What is said of every training."""


def layers_of(spec: Spec) -> dict[str, list[dict[str, Any]]]:
    """Return for each network its layers: name, kind, output shape, number of parameters."""
    return {
        name: [
            {
                "name": node.path.partition("/")[2],
                "kind": node.layer.kind,
                "output_shape": list(node.output_shape),
                "parameters": sum(p.size for inner in node.walk() for p in inner.parameters),
            }
            for node in plan.nodes
        ]
        for name, plan in plan_spec(spec).items()
    }


def spec_in_words(spec: Spec) -> str:
    """Return what a person wants to know of a spec."""
    lines = [f"{spec.name}  (spec {digest(spec)[:12]})", ""]
    layers = layers_of(spec)
    for name, plan in plan_spec(spec).items():
        reads = ", ".join(f"{key} {shape}" for key, shape in plan.inputs.items())
        lines.append(f"{name}: {plan.parameter_count:,} parameters, reads {reads}")
        rows = [
            (
                row["name"],
                tuple(row["output_shape"]),
                f"{n:,}" if (n := row["parameters"]) else "",
                "spectral norm" if _is_normed(node) else "",
            )
            for row, node in zip(layers[name], plan.nodes, strict=True)
        ]
        lines.append(aligned(rows))
        lines += [f"  trained by {_fields(spec.player(name).optimizer)}", ""]
    return "\n".join(
        [
            *lines,
            f"image      {_image_in_words(spec)}",
            f"latent     {_latent_in_words(spec)}",
            f"classes    {spec.classes or 'none'}",
            f"loss  {_chosen(spec.loss, 'name', 'halves')}",
            f"training   {_chosen(spec.training, *USUAL)}",
        ]
    )


def recipe_in_words(row: Entry) -> str:
    """Return the data that a model is trained on unless somebody says otherwise.

    >>> from gandem.core.plugins.registry import find_model
    >>> recipe_in_words(find_model("dcgan-dropout"))
    'recipe     mnist, classes 3, 8'
    """
    classes = f", classes {', '.join(map(str, row.classes))}" if row.classes else ""
    return f"recipe     {row.data}{classes}"


def _latent_in_words(spec: Spec) -> str:
    """Return what the noise is made of.

    >>> from gandem.core.plugins.registry import load_spec
    >>> _latent_in_words(load_spec("dcgan", {"latent.categories": 10, "latent.codes": 2}))
    '100 numbers: one of 10 categories, 2 codes from -1 to 1, 88 normal'
    """
    latent = spec.latent
    rest = latent.size - latent.categories - latent.codes
    if not latent.parts:
        return f"{latent.size} {latent.distribution} numbers"
    parts = {
        f"one of {latent.categories} categories": latent.categories,
        f"{latent.codes} codes from -1 to 1": latent.codes,
        f"{rest} {latent.distribution}": rest,
    }
    said = ", ".join(words for words, count in parts.items() if count)
    return f"{latent.size} numbers: {said}"


def _image_in_words(spec: Spec) -> str:
    image = spec.image
    span = f"from {image.low:g} to {image.high:g}"
    if isinstance(image, Points):
        return f"points of {image.size} numbers, drawn {span}"
    return f"{image.shape}, pixels {span}"


def _is_normed(node: Node) -> bool:
    return any(getattr(inner.layer, "spectral_norm", False) for inner in node.walk())


def _draws_itself(settings: Any) -> str:
    """Say where a run's random numbers are not gandem's."""
    drawn = isinstance(settings, dict) and settings.get("randomness") == "device"
    return ", random numbers of the device's own" if drawn else ""


def run_in_words(run: Run) -> str:
    """Return how a run went."""
    from gandem.core.runs.listing import state_of, steps_of

    facts, data = run.facts | {"state": state_of(run), "steps": steps_of(run)}, run.facts["data"]
    words = {name: facts.get(name, "?") for name in ("state", "steps", "seconds", "device")}
    of = "" if words["state"] == "finished" else f" of {facts.get('steps_planned', '?')}"
    rate = f" ({facts['steps_per_second']} steps/s)" if facts.get("steps_per_second") else ""
    rows = {
        "run": run.path,
        "state": f"{words['state']} after {words['steps']}{of} steps, {words['seconds']} s{rate}",
        "on": f"{facts['backend']} ({words['device']}, {facts['precision']}), seed {facts['seed']}"
        f"{_draws_itself(facts.get('settings'))}",
        "data": f"{data.get('name', '?')}, {data.get('count', '?')} {_kind_of(run.spec)}",
        **_scores(facts.get("losses")),
        **_evaluation_in_words(facts),
        **_health_in_words(run.spec, facts.get("health")),
    }
    return "\n".join(f"{name:<9}  {said}" for name, said in rows.items())


def _kind_of(spec: Spec) -> str:
    return "points" if isinstance(spec.image, Points) else "images"


def _evaluation_in_words(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the scores that a training took, what real images get, and what they have cost."""
    found = facts.get("evaluation")
    if not isinstance(found, dict):
        return {}
    try:
        last, floor = dict(found["last"]), found["floor"]
        cost, times = float(found["seconds"]), int(found["times"])
        said = scores_in_short(last.pop("step"), last)
        words = f"{said}; real images get {floor['frechet']:.3g}"
        share = cost / float(facts["seconds"])
    except (TypeError, KeyError, ValueError, ZeroDivisionError):  # another's file
        return {}
    return {
        "scores": words,
        "scoring": f"{times} time{'s' * (times != 1)} in {cost:.1f} s, {share:.0%} of the time",
    }


def _health_in_words(spec: Spec, health: Any) -> dict[str, str]:
    """Return what a training's monitor made of it, and its last judgment, each as a line."""
    if not isinstance(health, dict):
        return {}
    found = {"health": printable(str(health.get("verdict", "?"))).replace("\n", "?")}
    judged = health.get("judged")
    if isinstance(judged, dict) and all(
        isinstance(judged.get(name), int | float) for name in ("real", "fake", "count", "step")
    ):
        found["tells"] = (
            f"{judged['real']:.0%} of {judged['count']} real and {judged['fake']:.0%} of "
            f"{judged['count']} fake {_kind_of(spec)}, at step {judged['step']}"
        )
    return found


def outcome_in_words(run: Run) -> str:
    """Return how a training went, and what can be done with it now."""
    where = shlex.quote(str(run.path))
    lines = [run_in_words(run)]
    if run.facts["state"] == "interrupted":
        lines.append("kept       the log, samples and state so far")
    lines += [f"samples    {path}" for path in run.samples()[-1:]]
    lines += [f"weights    {path}" for path in run.checkpoints()[-1:]]
    if run.facts["state"] == "interrupted":
        lines.append(f"go on      gandem resume {where}")
    lines.append(f"more       gandem generate {where} -o grid.png")
    return "\n".join(lines)


def run_in_data(run: Run) -> dict[str, Any]:
    """Return everything about a run as plain data."""
    from gandem.core.runs.listing import state_of, steps_of

    return {
        "path": str(run.path),
        **run.facts,
        "state": state_of(run),
        "steps": steps_of(run),
        "checkpoints": [str(path) for path in run.checkpoints()],
        "samples": [str(path) for path in run.samples()],
    }


def run_in_full(run: Run) -> str:
    """Return everything about a run that a person wants to know."""
    samples, checkpoints = run.samples(), run.checkpoints()
    rows = [("best", _best(run.facts.get("best")))]
    rows += [("samples", f"{len(samples)}, the last {path}") for path in samples[-1:]]
    rows += [("kept", f"{path} ({path.stat().st_size / 1e6:.1f} MB)") for path in checkpoints]
    for part in _list(run.facts.get("segments")):
        rows += _segment_in_words(part) if isinstance(part, dict) else []
    lines = [run_in_words(run), *(f"{name:<9}  {said}".rstrip() for name, said in rows)]
    return printable("\n".join(lines))


def _segment_in_words(part: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return who trained a run from some step on, with what, and what was noted then."""
    versions = part.get("versions")
    on = ", ".join(f"{k} {v}" for k, v in versions.items()) if isinstance(versions, dict) else "?"
    changed = part.get("changed")
    return [
        ("from step", f"{part.get('first_step')}: {part.get('backend')} ({part.get('device')})"),
        ("", f"{part.get('started')}, gandem {part.get('gandem')}, {on}"),
        ("", str(part.get("command"))),
        *(
            ("", f"allowed to change: {name}")
            for name in (changed if isinstance(changed, dict) else ())
        ),
        *(("", str(note)) for note in _list(part.get("notes"))),
    ]


def runs_in_words(runs: Iterable[Summary]) -> str:
    """Return runs as a table."""
    head = ("run", "model", "backend", "data", "step", "best", "state", "health")
    rows = [
        (
            run.path,
            run.model,
            run.backend,
            run.data,
            f"{run.step}/{'?' if run.steps is None else run.steps}" if run.model else "",
            _best(run.best),
            f"{run.state}: {run.problem}" if run.problem else run.state,
            run.health,
        )
        for run in runs
    ]
    return printable(aligned([head, *rows]))


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def printable(text: str) -> str:
    """Return lines without what a terminal would obey: run.json may be a stranger's."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _best(best: Any) -> str:
    if not isinstance(best, dict) or not isinstance(best.get("value"), float):
        return "-"
    return f"{best.get('metric')} {best['value']:.4g} at step {best.get('step')}"


def losses_in_short(losses: Mapping[str, float]) -> str:
    """Return the losses for a line that has little room.

    >>> losses_in_short({"discriminator": 1.25, "generator": 0.5, "fake_accuracy": 1.0})
    'd 1.250  g 0.500'
    >>> losses_in_short({"discriminator": 1.25, "generator": 0.5, "recognizer": 2.3})
    'd 1.250  g 0.500  recognizer 2.300'
    """
    short = {"discriminator": "d", "generator": "g"}
    return "  ".join(
        f"{short.get(name, name)} {value:.3f}"
        for name, value in losses.items()
        if not name.endswith("_accuracy")
    )


def scores_in_short(step: int, scores: Mapping[str, float]) -> str:
    """Return scores taken during a training as a line.

    >>> scores_in_short(100, {"frechet": 12.345, "kernel": 0.01, "kernel_error": 0.001})
    'step 100: Fréchet distance 12.3, kernel distance 0.01 ± 0.001'
    """
    from gandem.metrics.evaluation import MEASURES, figure

    said = (f"{MEASURES[name].title} {figure(scores, name)}" for name in scores if name in MEASURES)
    return f"step {step}: {', '.join(said)}"


def report_in_words(report: Report) -> str:
    """Return a parity report: a row for each mark, and for each way of a hand-over; the verdict."""
    a, b = report.backends
    head = ("step", "weights max", "median", "statistics", "loss max", "baseline max", "× baseline")
    rows = [
        (
            mark.step,
            f"{mark.weights_max:.1e}",
            f"{mark.weights_median:.1e}",
            f"{mark.statistics_max:.1e}",
            f"{mark.loss_max:.1e}",
            f"{mark.baseline_max:.1e}",
            "saturated" if mark.saturated else f"{mark.ratio:.1f}",
        )
        for mark in report.marks
    ]
    title = f"{report.model} ({report.size}), {report.precision}, {a} against {b}, "
    verdict = "holds" if report.holds else "DOES NOT HOLD"
    said = [f"{title}tier {report.tier}", aligned([head, *rows], right=True)]
    found = report.handover
    faults = [f"\n  {d.source} → {d.target}: {d.fault}" for d in found.faults] if found else []
    said += [_handover_in_words(found)] if found else []
    return "\n\n".join([*said, "".join([f"{verdict}: {report.tolerance}", *faults])])


def _handover_in_words(found: Handover) -> str:
    """Return a row for each way that a checkpoint went."""
    rows: list[tuple[str, ...]] = [
        (f"after step {found.at}", "load", "weights max", "loss max", "as the straight walk")
    ]
    for way in found.directions:
        load = "bit-exact" if way.load_exact else f"{way.load_max:.1e} off"
        again = {None: "", True: "bit-identical", False: "NOT identical"}[way.identical]
        apart = (f"{way.weights_max:.1e}", f"{way.loss_max:.1e}")
        rows.append((f"{way.source} → {way.target}", load, *apart, again))
    return aligned(rows, right=True)


def _pixels_in_words(found: Tandem) -> str:
    if isinstance(found.runs[0].spec.image, Points):
        return f"points at most {found.pixels_max:.1e}"
    return f"pixels at most {found.pixels_max} of 255"


def tandem_in_words(found: Tandem) -> str:
    """Return two runs side by side: their losses, rates and distance."""
    names = [run.facts["backend"] for run in found.runs]
    heads = [f"{player} loss {name}" for player in "dg" for name in names]
    rows: list[tuple[Any, ...]] = [("step", *heads, "largest difference")]
    every = max(1, len(found.rows()) // 10)
    for step, d, g in [*found.rows()[:-1:every], *found.rows()[-1:]]:
        apart = max(abs(d[0] - d[1]), abs(g[0] - g[1]))
        rows.append((step, *(f"{loss:.6f}" for loss in (*d, *g)), f"{apart:.1e}"))
    rates = [f"{run.facts['backend']} {run.facts['steps_per_second']:.1f}" for run in found.runs]
    return "\n".join(
        [
            aligned(rows, right=True),
            "",
            f"steps/s    {', '.join(rates)}",
            f"distance   weights at most {found.weights_max:.1e} apart after training",
            f"images     from the same noise: {_pixels_in_words(found)} apart",
            f"picture    {found.picture}",
            f"runs       {found.runs[0].path}  {found.runs[1].path}",
        ]
    )


def _scores(losses: Any) -> dict[str, str]:
    """Return the last losses, and the discriminator's accuracies, each as a line."""
    found: dict[str, list[str]] = {}
    for name, value in losses.items() if isinstance(losses, dict) else ():
        what, is_share = name.removesuffix("_accuracy"), name.endswith("_accuracy")
        number = value if isinstance(value, float) else float("nan")
        said = f"{what} {number:.0%}" if is_share else f"{what} {number:.3f}"
        found.setdefault("judged" if is_share else "losses", []).append(said)
    if "judged" in found:
        found["judged"].append("of the last batch rightly by the discriminator")
    return {name: ", ".join(said) for name, said in found.items()}


def _chosen(data: Any, *always: str) -> str:
    """Return the fields that are not their default, and some that are always said."""
    few = encode(data, defaults=False)
    every = encode(data)
    few = {name: value for name, value in every.items() if name in few or name in always}
    return ", ".join(
        f"{name} ({_chosen(getattr(data, name))})" if isinstance(value, dict) else f"{name} {value}"
        for name, value in few.items()
    )


def _fields(data: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in encode(data).items())
