"""The folder of results.

``results.csv`` has a row per model, setting and backend; ``curves.csv`` the Fréchet distance of
each run during its training. ``results.md`` is the page, ``results/`` its pictures: samples of each
row, curves of each data set. ``published.csv`` holds the results of other authors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gandem.compare.comparison import Comparison
from gandem.compare.report.samples import read_pictures
from gandem.compare.results.collect import RunGroup, group_runs, make_result
from gandem.compare.results.curves import (
    CurvePoint,
    merge_curves,
    read_curves,
    read_points,
    write_curves,
)
from gandem.compare.results.markdown import (
    PICTURES,
    name_chart,
    read_published,
    write_markdown,
)
from gandem.compare.results.rows import Result, merge, read_results, write_results
from gandem.compare.results.score_curves import draw_score_curves
from gandem.core.errors import RunError
from gandem.core.files import check_folder, make_folder, write_file

TABLE, PAGE, PUBLISHED, CURVES = "results.csv", "results.md", "published.csv", "curves.csv"


def check_results(folder: Path) -> None:
    """Check, before any training, that a folder of results can be written.

    Raises:
        RunError: it does not exist, or cannot be written.
        DataError: one of its files holds something else.
    """
    if not os.path.isdir(folder):
        raise RunError(f"{folder}: no such folder; create it, or choose another --results.")
    for name in (TABLE, PAGE, CURVES):
        if (folder / name).is_dir():
            raise RunError(f"{folder / name}: expected a file, found a folder.")
    check_folder(folder)
    read_results(folder / TABLE)
    read_curves(folder / CURVES)
    read_published(folder / PUBLISHED)


def write_tables(
    comparisons: Iterable[Comparison], folder: Path, *, markdown: bool = True
) -> tuple[list[Result], Path]:
    """Add the rows of comparisons and single runs to a folder; return them and the file's path.

    Args:
        markdown: also write the page, its curves and its pictures.

    Raises:
        RunError: a single run has no scores, or a file cannot be written.
        DataError: a file of the folder holds something else.
    """
    rows = [
        (result, group)
        for group in group_runs(comparisons)
        if (result := make_result(group)) is not None
    ]
    results = [result for result, _ in rows]
    make_folder(folder)
    check_results(folder)
    merged = merge(read_results(folder / TABLE), results)
    write_results(folder / TABLE, merged)
    if not markdown:
        return results, folder / TABLE
    points = [point for result, group in rows for point in read_points(result, group.runs)]
    curves = merge_curves(read_curves(folder / CURVES), points)
    if curves:
        write_curves(folder / CURVES, curves)
    for result, group in rows:
        _save_samples(folder / PICTURES / result.picture, group)
    _draw_charts(folder, curves)
    write_markdown(folder / PAGE, merged, folder / PUBLISHED)
    return results, folder / PAGE


def _save_samples(path: Path, group: RunGroup) -> None:
    """Write the last samples of the first run of a group, if it has any."""
    (pictures,) = read_pictures(group.runs[:1])
    if pictures:
        make_folder(path.parent)
        write_file(path, pictures[max(pictures)].png)


def _draw_charts(folder: Path, curves: Sequence[CurvePoint]) -> None:
    """Draw the curves of each data set."""
    for digest in dict.fromkeys(point.data_digest for point in curves):
        points = [point for point in curves if point.data_digest == digest]
        trainings: dict[tuple[str, str], dict[int, list[CurvePoint]]] = {}
        for point in points:
            of_row = trainings.setdefault((point.row, point.label), {})
            of_row.setdefault(point.seed, []).append(point)
        make_folder(folder / PICTURES)
        draw_score_curves(
            [
                (label, [_list_columns(seed) for seed in of_row.values()])
                for (_, label), of_row in trainings.items()
            ],
            min(point.real_baseline for point in points),
            folder / PICTURES / name_chart(points[0].data, digest),
        )


def _list_columns(points: Sequence[CurvePoint]) -> tuple[list[float], list[float], list[float]]:
    """Return steps, minutes and scores."""
    return (
        [point.step for point in points],
        [point.minutes for point in points],
        [point.frechet for point in points],
    )
