"""Which columns hold the images and the labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gandem.core.errors import DataError, shown, suggest

from gandem_hf.request import Request

if TYPE_CHECKING:
    import datasets

__all__ = ["image_column", "label_column"]


def image_column(
    table: datasets.Dataset, request: Request, name: str
) -> tuple[datasets.Dataset, str]:
    """Return the column of images, and the table with it read as images.

    Raises:
        DataError: there is none, or there are several to choose from.
    """
    import datasets

    column = request.image or _only(table, datasets.Image, "image", name)
    if not column:
        raise DataError(
            f"{name}: no column is known to hold images; choose one with image=COLUMN. "
            f"Its columns are {_list(table.column_names)}."
        )
    _check(column, table, name)
    feature = table.features[column]
    if not isinstance(feature, datasets.Image) and not _holds_files(feature):
        raise DataError(
            f"{name}: expected images in the column {column!r}, received {shown(feature)}."
        )
    return table.cast_column(column, datasets.Image()), column


def label_column(table: datasets.Dataset, request: Request, name: str) -> str | None:
    """Return the column of labels, or None where there is none or none is wanted.

    Raises:
        DataError: the requested one does not exist, or there are several to choose from.
    """
    import datasets

    if not request.labeled:
        return None
    column = request.label or _only(table, datasets.ClassLabel, "label", name)
    if not column and "label" in table.column_names:
        column = "label"
    if column:
        _check(column, table, name)
    return column or None


def _only(table: datasets.Dataset, kind: type, option: str, name: str) -> str:
    """Return the one column of a kind, or nothing."""
    columns = [column for column, feature in table.features.items() if isinstance(feature, kind)]
    if len(columns) > 1:
        raise DataError(
            f"{name}: there are several columns to choose from, {_list(columns)}; write "
            f"{option}={columns[0]}."
        )
    return columns[0] if columns else ""


def _holds_files(feature: object) -> bool:
    """Say whether a column may hold image files as bytes; paths and addresses are not followed."""
    if isinstance(feature, dict):
        feature = feature.get("bytes")
    return getattr(feature, "dtype", "") in ("binary", "large_binary")


def _check(column: str, table: datasets.Dataset, name: str) -> None:
    if column not in table.column_names:
        near = suggest(column, table.column_names)
        raise DataError(f"{name}: there is no column {column!r}.{near}")


def _list(names: list[str]) -> str:
    return ", ".join(map(repr, names))
