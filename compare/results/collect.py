"""The rows of comparisons and of single runs: scores over seeds, with all that they depend on."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gandem.compare.analysis.outcome import pick_scores
from gandem.compare.command_lines import SCORE_SEED
from gandem.compare.comparison import CellRecord, Comparison
from gandem.compare.results.rows import FIGURES, Result, spread
from gandem.core.errors import RunError, SpecError
from gandem.core.fields import decode
from gandem.core.runs import Run
from gandem.core.specs import digest
from gandem.metrics.evaluation import Protocol


@dataclass(frozen=True, slots=True)
class RunGroup:
    """Runs that differ in their seed only, for one row.

    Attributes:
        options: changes of the model's spec, as ``gandem train --set`` takes them.
    """

    options: tuple[str, ...]
    records: list[CellRecord] = field(default_factory=list)

    @property
    def scored(self) -> list[CellRecord]:
        """The runs with scores; those that diverged have none."""
        return [record for record in self.records if record.scores]

    @property
    def runs(self) -> list[Run]:
        """The runs with scores."""
        return [record.run for record in self.scored if record.run is not None]


def group_runs(comparisons: Iterable[Comparison]) -> list[RunGroup]:
    """Return the runs of comparisons by model, setting and backend, and single runs by spec, data,
    backend and length.

    Raises:
        RunError: a single run is not finished or has no scores, or cannot be in one row with
            another one; the message says what to do.
    """
    groups: dict[Hashable, RunGroup] = {}
    for comparison in comparisons:
        base = comparison.grid.base.texts
        for record in comparison.read_all():
            cell = record.cell
            key: Hashable = (comparison.path, cell.model, cell.setting.name, cell.backend)
            options = (*base, *cell.setting.texts)
            if comparison.alone:
                run = _check_single(record)
                key, options = _identify(run), _read_options(run.record.first_command)
            group = groups.setdefault(key, RunGroup(options))
            if comparison.alone:
                _check_alike(group, record)
            group.records.append(record)
    return list(groups.values())


def _check_single(record: CellRecord) -> Run:
    if record.run is None or not record.is_over:
        remedy = f"score it with: gandem evaluate {record.folder} --seed {SCORE_SEED} --save"
        if record.state.name != "finished":
            remedy = "it is not finished"
        raise RunError(f"{record.folder}: no scores for the tables; {remedy}.")
    return record.run


def _check_alike(group: RunGroup, record: CellRecord) -> None:
    """Check that a single run has another seed and the same protocol as the others of its group."""
    for other in group.records:
        if other.cell.seed == record.cell.seed:
            raise RunError(
                f"{other.folder}, {record.folder}: the same training with the same seed, "
                f"{record.cell.seed}; leave one of them out."
            )
        first, second = (pick_scores(of, "last").get("protocol") for of in (other, record))
        if other.scores and record.scores and first != second:
            raise RunError(
                f"{other.folder}, {record.folder}: scored with different protocols, so they cannot "
                "be one row; score both with the same options of gandem evaluate."
            )


def _identify(run: Run) -> Hashable:
    record = run.record
    place = (record.backend, record.device, record.precision)
    origin = _describe_origin(run)
    return (
        record.model,
        digest(run.spec),
        record.data.digest,
        record.steps_planned,
        origin,
        *place,
    )


def _describe_origin(run: Run) -> str:
    origin = run.record.origin
    return f"{origin.source} ({origin.digest[:8]})" if origin else ""


def _read_options(command: str) -> tuple[str, ...]:
    """Return the values of ``--set`` in a command.

    >>> _read_options("gandem train dcgan --set width=16 --set=latent=8 --out runs/a")
    ('width=16', 'latent=8')
    """
    try:
        words = shlex.split(command)
    except ValueError:  # a quote that is not closed
        return ()
    options = []
    for word, following in itertools.pairwise([*words, ""]):
        if word == "--set":
            options.append(following)
        elif word.startswith("--set="):
            options.append(word.removeprefix("--set="))
    return tuple(options)


def collect_results(*comparisons: Comparison) -> list[Result]:
    """Return a row for each group of runs that are all over.

    Runs that diverged have no scores; the row counts them.

    Raises:
        RunError: see :func:`group_runs`.
    """
    return [row for group in group_runs(comparisons) if (row := make_result(group)) is not None]


def make_result(group: RunGroup) -> Result | None:
    """Return the row of a group; None unless all runs are over and scored with one protocol."""
    protocol = _read_protocol(group.scored)
    if protocol is None or not all(record.is_over for record in group.records):
        return None
    scored, runs = group.scored, group.runs
    run, record, model = runs[0], runs[0].record, scored[0].cell.model
    figures: dict[str, float | None] = {}
    for which, checkpoint in (("final", "last"), ("best", "best")):
        scores = [pick_scores(of, checkpoint) for of in scored]
        for name in FIGURES:
            values = [row["values"].get(name) for row in scores]
            figures[f"{which}_{name}_mean"], figures[f"{which}_{name}_sd"] = spread(values)
    first: Mapping[str, Any] = pick_scores(scored[0], "last")
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
        recipe_epochs=run.spec.training.epochs,
        seeds=len(runs),
        diverged=len(group.records) - len(scored),
        figures=figures,
        real=protocol.real,
        fake=protocol.fake,
        of=protocol.of,
        extractor=protocol.extractor,
        extractor_digest=protocol.extractor_digest,
        data_digest=protocol.data_digest,
        scored_with_seed=protocol.seed,
        formulas=protocol.formulas,
        classifier=protocol.classifier,
        options=" ".join(group.options),
        origin=_describe_origin(run),
        seconds=round(sum(run.record.seconds for run in runs), 1),
        date=datetime.now(UTC).date().isoformat(),
        versions=", ".join(f"{name} {version}" for name, version in versions.items()),
    )


def _read_protocol(group: Sequence[CellRecord]) -> Protocol | None:
    """Return the protocol of the scores of all runs; None if there is not exactly one."""
    try:
        protocols: list[Protocol] = [
            decode(Protocol, pick_scores(record, "last")["protocol"]) for record in group
        ]
    except SpecError:  # a damaged file
        return None
    return protocols[0] if protocols and protocols == protocols[:1] * len(protocols) else None


def _count_epochs(run: Run) -> float:
    """Return the passes over the data."""
    if not run.record.epochs:
        return 0.0
    span = run.record.epochs[-1]
    batches = (run.record.steps - span.first_step) * span.batches_per_step
    return round(span.first_epoch + batches / span.batches_per_epoch, 2)
