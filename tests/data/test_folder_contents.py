"""Labels of folders and zip files of images: folders, tables, and their order."""

from __future__ import annotations

import json

import pytest
from support.commands import said
from support.image_folders import levels, png
from support.image_folders import load_folder as load

from gandem.core.errors import DataError


@pytest.mark.parametrize(
    ("folders", "order"),
    [
        (["10", "9", "1"], ("1", "9", "10")),
        (["a10", "a9", "B"], ("B", "a9", "a10")),
        (["-1", "1", "0.5"], ("-1", "0.5", "1")),
    ],
)
def test_class_folders_are_sorted_as_numbers(pack, folders, order):
    data = load(pack({f"{name}/x.png": png(100 + i) for i, name in enumerate(folders)}))

    assert data.class_names == order
    assert levels(data) == [100 + folders.index(name) for name in order]


TABLES = {
    "commas": ("labels.csv", "file,label\na/1.png,cat\nb/2.png,dog\n"),
    "semicolons": ("labels.csv", "file;label\na/1.png;cat\nb/2.png;dog\n"),
    "tabs": ("labels.csv", "file\tlabel\na/1.png\tcat\nb/2.png\tdog\n"),
    "other columns": ("labels.csv", "id,Label,Filename\n7,cat,a/1.png\n8,dog,b/2.png\n"),
    "quotes": ("labels.csv", '"file","label"\n"a/1.png","cat"\n"b/2.png","dog"\n'),
    "byte order mark": ("labels.csv", "\ufefffile,label\r\na/1.png,cat\r\nb/2.png,dog\r\n"),
    "backslashes": ("labels.csv", "file,label\na\\1.png,cat\n.\\b\\2.png,dog\n"),
    "bare names": ("labels.csv", "file,label\n1.png,cat\n2.png,dog\n"),
    "upper case": ("Labels.CSV", "FILE,LABEL\na/1.png,cat\nb/2.png,dog\n"),
    "no endings": ("labels.csv", "file,label\n1,cat\nb/2,dog\n"),
    "Hugging Face": ("metadata.csv", "file_name,label,text\na/1.png,cat,x\nb/2.png,dog,y\n"),
    "JSON lines": (
        "metadata.jsonl",
        '{"file_name": "a/1.png", "label": "cat"}\n\n{"file_name": "b/2.png", "label": "dog"}\n',
    ),
    "StyleGAN": ("dataset.json", '{"labels": [["a/1.png", "cat"], ["b/2.png", "dog"]]}'),
}


@pytest.mark.parametrize("case", TABLES)
def test_tables_give_the_labels(pack, case):
    name, table = TABLES[case]

    data = load(pack({name: table, "a/1.png": png(101), "b/2.png": png(102)}))

    assert data.class_names == ("cat", "dog")
    assert (data.labels.tolist(), levels(data), data.notes) == ([0, 1], [101, 102], ())


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["3.0", "-1.0", "10.0"], ("-1", "3", "10")),
        (["0.5", "-2", "1e1"], ("-2", "0.5", "1e1")),
        (["nan", "10", "9"], ("9", "10", "nan")),
        (["v1.0", "v2.", "3."], ("3", "v1.0", "v2.")),
        (["x2", "x10", "x1"], ("x1", "x2", "x10")),
    ],
)
def test_labels_are_sorted_as_numbers(pack, labels, order):
    rows = "".join(f"{i}.png,{label}\n" for i, label in enumerate(labels))
    files = {f"{i}.png": png(100 + i) for i in range(len(labels))}

    data = load(pack(files | {"labels.csv": f"file,label\n{rows}"}))

    assert data.class_names == order


def test_numbers_that_are_no_classes_are_reported(pack):
    rows = "".join(f"{i}.png,{i / 7:.3f}\n" for i in range(30))

    path = pack({f"{i}.png": png() for i in range(30)} | {"labels.csv": f"file,label\n{rows}"})

    assert "! 30 classes for 30 images: the labels may be no classes" in said("data", path)


def test_stylegan_labels_are_class_numbers_or_one_hot(pack):
    files = {f"00000/{i}.png": png() for i in range(3)}
    pairs = [["00000/0.png", 4], ["00000/1.png", [0.0, 0.0, 1.0]], ["00000/2.png", 2]]

    data = load(pack(files | {"dataset.json": json.dumps({"labels": pairs})}))

    assert (data.class_names, data.labels.tolist()) == (("2", "4"), [1, 0, 0])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('{"labels": null}', "dataset.json has no labels"),
        ('{"labels": [["00000/0.png", [0.1, 0.7]]]}', "the labels of dataset.json are no classes"),
    ],
)
def test_stylegan_folders_are_no_classes(pack, table, words):
    data = load(pack({"dataset.json": table, "00000/0.png": png(), "00001/1.png": png()}))

    assert data.labels is None
    assert words in data.notes[0]


def test_metadata_without_labels_leave_them_to_the_folders(pack):
    table = "file_name,text\na/1.png,hello\n"

    data = load(pack({"metadata.csv": table, "a/1.png": png(), "b/2.png": png()}))

    assert data.class_names == ("a", "b")
    assert "metadata.csv has no column label, only file_name,text, and is ignored" in data.notes[0]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("metadata.csv", "author,year\nme,2020\n"),
        ("metadata.csv", ""),
        ("metadata.jsonl", '{"author": "me"}'),
        ("dataset.json", '{"title": "pets"}'),
        ("dataset.json", "[]"),
    ],
)
def test_files_of_other_tools_with_these_names_are_ignored(pack, name, table):
    data = load(pack({name: table, "a/1.png": png(), "b/2.png": png()}))

    assert data.class_names == ("a", "b")
    assert "and is ignored" in data.notes[0]


def test_missing_and_ambiguous_files_of_a_table_are_named(pack):
    rows = "file,label\na/1.png,x\ngone.png,x\n2.png,y\n"
    files = {"a/1.png": png(), "a/2.png": png(), "b/2.png": png()}

    data = load(pack(files | {"labels.csv": rows}))

    assert "gone.png: in labels.csv, but there is no such file" in data.notes[0]
    assert "2.png: in labels.csv, but 2 files have this name" in data.notes[0]


@pytest.mark.parametrize(
    ("name", "table", "words"),
    [
        ("labels.csv", "file,label\n1.png,a\na/1.png,b\n", "has the labels 'a' and 'b'"),
        ("labels.csv", "file,label\nC:\\1.png,a\n", "'C:/1.png' is not in the folder"),
        ("labels.csv", "file,size\n1.png,a\n", "expected a first line file,label"),
        ("dataset.json", "{", "dataset.json: it is damaged"),
        ("dataset.json", '{"labels": ' + "[" * 9999, "dataset.json: it is damaged"),
        ("dataset.json", '{"labels": {"a": 1}}', "expected labels [[file, class], …]"),
        ("metadata.jsonl", "[1]", "line 1: expected an object, received [1]"),
        ("metadata.jsonl", '{"file_name": 1', "metadata.jsonl: it is damaged"),
        ("metadata.csv", '"' + "x" * 200_000, "metadata.csv: it is damaged"),
    ],
)
def test_invalid_tables_are_refused(pack, name, table, words):
    path = pack({name: table, "a/1.png": png()})

    with pytest.raises(DataError) as caught:
        load(path)

    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["train", "Training"])
def test_train_folder_is_used_and_the_others_are_named(pack, name):
    files = {f"{name}/cat/1.png": png(101), f"{name}/dog/1.png": png(102)}
    path = pack(files | {"test/cat/1.png": png(103), "val/dog/1.png": png(104)})

    data = load(path)

    assert (data.class_names, levels(data)) == (("cat", "dog"), [101, 102])
    assert f"the images of {name!r} are used, not those of test, val" in data.notes[0]
    assert levels(load(f"{path}/val")) == [104]


def test_folder_called_train_beside_other_classes_is_a_class(pack):
    data = load(pack({"train/1.png": png(), "bus/1.png": png()}))

    assert data.class_names == ("bus", "train")


def test_folders_around_the_classes_are_passed(pack):
    data = load(pack({"pets/images/cat/1.png": png(), "pets/images/dog/1.png": png()}))

    assert data.class_names == ("cat", "dog")


def test_table_in_the_only_folder_is_read(pack):
    data = load(pack({"pets/labels.csv": "file,label\n1.png,cat\n", "pets/1.png": png()}))

    assert data.class_names == ("cat",)


def test_names_in_another_unicode_form_are_found(pack):
    composed, decomposed = "\u00fc.png", "u\u0308.png"

    data = load(pack({"labels.csv": f"file,label\n{composed},cat\n", decomposed: png()}))

    assert (data.class_names, data.notes) == (("cat",), ())


def test_single_class_folder_is_a_class(pack):
    assert load(pack({"cat/1.png": png(), "cat/2.png": png()})).class_names == ("cat",)
