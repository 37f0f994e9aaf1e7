"""The rows of a comparison: the scores of its runs over seeds, with all that they depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gandem.compare.analysis.outcome import pick_scores
from gandem.compare.comparison import CellRecord, Comparison
from gandem.compare.results.rows import FIGURES, Result, spread
from gandem.core.errors import SpecError
from gandem.core.fields import decode
from gandem.core.runs import Run
from gandem.core.specs import digest
from gandem.metrics.evaluation import Protocol


def collect_results(
    comparison: Comparison, records: Sequence[CellRecord] | None = None
) -> list[Result]:
    """Return a row for each model, setting and backend whose runs are all over.

    Runs that diverged have no scores; the row counts them.

    Args:
        records: those of all cells; by default they are read.
    """
    groups: dict[tuple[str, str, str], list[CellRecord]] = {}
    for record in comparison.read_all() if records is None else records:
        cell = record.cell
        groups.setdefault((cell.model, cell.setting.name, cell.backend), []).append(record)
    base = comparison.grid.base.texts
    results = []
    for group in groups.values():
        scored = [record for record in group if record.scores]
        protocol = _read_protocol(scored)
        if protocol is not None and all(record.is_over for record in group):
            options = (*base, *group[0].cell.setting.texts)
            results.append(_make_row(scored, len(group) - len(scored), protocol, options))
    return results


def _read_protocol(group: Sequence[CellRecord]) -> Protocol | None:
    """Return the protocol of the scores of all runs; None if there is not exactly one."""
    try:
        protocols: list[Protocol] = [
            decode(Protocol, pick_scores(record, "last")["protocol"]) for record in group
        ]
    except SpecError:  # a damaged file
        return None
    return protocols[0] if protocols and protocols == protocols[:1] * len(protocols) else None


def _make_row(
    group: Sequence[CellRecord], diverged: int, protocol: Protocol, options: Sequence[str]
) -> Result:
    runs = [record.run for record in group if record.run is not None]
    run, record, model = runs[0], runs[0].record, group[0].cell.model
    columns = {
        "final": [pick_scores(of, "last") for of in group],
        "best": [pick_scores(of, "best") for of in group],
    }
    figures: dict[str, float | None] = {}
    for which, scores in columns.items():
        for name in FIGURES:
            values = [row["values"].get(name) for row in scores]
            figures[f"{which}_{name}_mean"], figures[f"{which}_{name}_sd"] = spread(values)
    first: Mapping[str, Any] = columns["final"][0]
    figures |= {f"real_baseline_{name}": first["real_baseline"].get(name) for name in FIGURES}
    versions = {"gandem": record.gandem, **record.versions}
    return Result(
        model=run.spec.name if model.lower().endswith((".toml", ".json")) else model,
        spec=digest(run.spec),
        data=protocol.data,
        backend=record.backend,
        device=record.device,
        precision=record.precision,
        steps=record.steps,
        epochs=_count_epochs(run),
        seeds=len(runs),
        diverged=diverged,
        figures=figures,
        real=protocol.real,
        fake=protocol.fake,
        of=protocol.of,
        extractor=protocol.extractor,
        extractor_digest=protocol.extractor_digest,
        data_digest=protocol.data_digest,
        scored_with_seed=protocol.seed,
        formulas=protocol.formulas,
        options=" ".join(options),
        seconds=round(sum(run.record.seconds for run in runs), 1),
        date=datetime.now(UTC).date().isoformat(),
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )


def _count_epochs(run: Run) -> float:
    """Return the passes over the data."""
    if not run.record.epochs:
        return 0.0
    span = run.record.epochs[-1]
    batches = (run.record.steps - span.first_step) * span.batches_per_step
    return round(span.first_epoch + batches / span.batches_per_epoch, 2)
