"""Labels of image files from a table beside them.

Read are ``labels.csv`` (``file,label``), the ``metadata.csv`` and ``metadata.jsonl`` of Hugging
Face (``file_name,label``), and StyleGAN's ``dataset.json``.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from unicodedata import normalize

from gandem.core.documents import parse_json
from gandem.core.errors import DataError, shown

TABLES = ("labels.csv", "metadata.csv", "metadata.jsonl", "dataset.json")
"""File names of tables; if there are several, the first counts."""
MAX_TABLE_SIZE = 256 << 20  # bytes; a million rows have about 50 MB
FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels of some files.

    Attributes:
        file_name: of the table.
        labels: by file, as written; empty if the images have no labels; None if the table has
            other columns, so that the folders count.
        problems: rows that count only once.
        note: why there are no labels.
    """

    file_name: str
    labels: dict[str, str] | None
    problems: tuple[str, ...] = ()
    note: str = ""


def read_table(file_name: str, content: bytes, name: str) -> LabelTable:
    """Return the table in a file.

    Args:
        file_name: one of :data:`TABLES`.
        name: of the data set, for errors.

    Raises:
        DataError: the table is invalid.
    """
    where = f"{name}: {file_name}"
    if len(content) > MAX_TABLE_SIZE:
        raise DataError(f"{where}: larger than {MAX_TABLE_SIZE >> 20} MiB, so it is no table.")
    try:
        text = content.decode("utf-8-sig")
        if file_name.endswith(".json"):
            return _parse_pairs(parse_json(text), where)
        is_csv = file_name.endswith(".csv")
        rows = _parse_csv(text) if is_csv else _parse_lines(text, where)
        return _collect(rows, file_name, where)
    except UnicodeDecodeError:
        raise DataError(f"{where}: expected UTF-8 text. Save it in that encoding.") from None
    except (ValueError, csv.Error) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: it is damaged ({shown(str(error))}).") from None


def sort_classes(names: Iterable[str]) -> list[str]:
    """Return the names of classes in order: numbers by value, other names with natural numbers.

    >>> sort_classes(["10", "9", "-1"]), sort_classes(["b10", "b9", "a"])
    (['-1', '9', '10'], ['a', 'b9', 'b10'])
    """
    names = set(names)
    if all(NUMBER.fullmatch(name) for name in names):
        return sorted(names, key=lambda name: (float(name), name))

    def key(name: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"(\d{1,18})", name, flags=re.ASCII)
        # text and digits alternate, so that equal places have comparable keys
        return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)], name

    return sorted(names, key=key)


def match_files(listed: Iterable[str], files: Collection[str]) -> dict[str, set[str]]:
    """Return the files that each listed name may mean.

    A name is a path within the folder, or a bare file name; both may lack the ending.
    """
    known = set(files)
    aliases: dict[str, set[str]] = {}
    for file in known:
        path = normalize("NFC", file)  # macOS stores other Unicode than most tables have
        base = path.rpartition("/")[2]
        for alias in {path, base, os.path.splitext(base)[0], os.path.splitext(path)[0]}:
            aliases.setdefault(alias, set()).add(file)
    return {
        name: {name} if name in known else aliases.get(normalize("NFC", name), set())
        for name in listed
    }


# --- formats -------------------------------------------------------------------------------------


def _parse_csv(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and cells by column; first the columns themselves."""
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = [column.strip().lower() for column in next(reader, [])]
    yield 1, {column: "" for column in columns}
    for row in reader:
        if any(cell.strip() for cell in row):
            cells = [cell.strip() for cell in row] + [""] * len(columns)
            yield reader.line_num, dict(zip(columns, cells, strict=False))


def _parse_lines(text: str, where: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and values of JSON lines by name."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        row = parse_json(line)
        if not isinstance(row, dict):
            raise DataError(f"{where}, line {number}: expected an object, received {shown(row)}.")
        yield number, {str(key).lower(): _format_value(value) for key, value in row.items()}


def _format_value(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _parse_pairs(data: object, where: str) -> LabelTable:
    """Return the table of StyleGAN: ``{"labels": [["00000/img00000000.png", 6], …]}``."""
    if not isinstance(data, dict) or "labels" not in data:
        return LabelTable("dataset.json", None, note="dataset.json has no labels and is ignored")
    pairs = data["labels"]
    if pairs is None:
        note = "dataset.json has no labels, so the images have none"
        return LabelTable("dataset.json", {}, note=note)
    if not isinstance(pairs, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs
    ):
        raise DataError(f"{where}: expected labels [[file, class], …], received {shown(pairs)}.")
    rows: list[tuple[int, dict[str, str]]] = [(0, {"file": "", "label": ""})]
    for number, (file, label) in enumerate(pairs, 1):
        if isinstance(label, list) and sorted(label, key=str) == [0] * (len(label) - 1) + [1]:
            label = label.index(1)  # one-hot
        if not isinstance(label, int | str) or isinstance(label, bool):
            note = f"the labels of dataset.json are no classes ({shown(label)}) and are not used"
            return LabelTable("dataset.json", {}, note=note)
        rows.append((number, {"file": file, "label": str(label)}))
    return _collect(rows, "dataset.json", where)


def _collect(rows: Iterable[tuple[int, dict[str, str]]], file_name: str, where: str) -> LabelTable:
    """Return the labels of rows by file."""
    labels: dict[str, tuple[str, int]] = {}
    problems: list[str] = []
    for index, (line, cells) in enumerate(rows):
        file_column = _find_column(cells, FILE_COLUMNS)
        label_column = _find_column(cells, LABEL_COLUMNS)
        if label_column is None or file_column is None:
            columns = ",".join(cells)[:60]
            if file_name == "labels.csv":
                raise DataError(f"{where}: expected a first line file,label; received {columns!r}.")
            lacks = "label" if file_column else "file_name"
            note = f"{file_name} has no column {lacks}, only {columns}, and is ignored"
            return LabelTable(file_name, None, note=note)
        if index == 0 and file_name != "metadata.jsonl":
            continue  # the names of the columns
        file, label = cells[file_column], cells[label_column]
        if NUMBER.fullmatch(label):
            label = re.sub(r"\.0*$", "", label)  # 3.0 is 3
        if not file or not label:
            lacks = "label" if file else "file"
            raise DataError(f"{where}, line {line}: it has no {lacks}. Write file,label.")
        file = os.path.normpath(file.replace("\\", "/")).replace(os.sep, "/")
        if file.startswith(("/", "..")) or re.match("[A-Za-z]:", file):
            raise DataError(f"{where}, line {line}: {file!r} is not in the folder. Put it there.")
        if file in labels:
            first_label, first_line = labels[file]
            if first_label != label:
                raise DataError(
                    f"{where}, line {line}: {file!r} is {label!r} here and {first_label!r} in "
                    f"line {first_line}. Keep one of them."
                )
            problems.append(f"{file}: twice in {file_name}, lines {first_line} and {line}")
        labels.setdefault(file, (label, line))
    if not labels:
        raise DataError(f"{where}: it has no rows below its first line. Write file,label.")
    return LabelTable(
        file_name, {file: label for file, (label, _) in labels.items()}, tuple(problems)
    )


def _find_column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the first of some names that is a column."""
    columns = set(columns)
    return next((name for name in names if name in columns), None)
