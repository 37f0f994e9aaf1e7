"""The contents of folders and zip files: which files are read, and where labels come from."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest
from PIL import Image
from support.commands import gandem, refused, said

from gandem.core.data.dataset import find_dataset, load_dataset
from gandem.core.errors import DataError, NotFoundError
from gandem.data import folder_contents, image_files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def png(level: int = 200) -> bytes:
    file = io.BytesIO()
    pixels = np.full((4, 4), level, np.uint8)
    pixels[0, 0] = level // 2
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    """Return a function that writes files as a folder or a zip file and returns its path."""

    def write(files: dict[str, bytes | str]):
        contents = {k: v.encode() if isinstance(v, str) else v for k, v in files.items()}
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
            return "images.zip"
        for name, content in contents.items():
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(content)
        return "images"

    return write


def load(path: str):
    return load_dataset(f"folder:{path}", shape=(4, 4, 1))


def levels(data) -> list[int]:
    return data.images[:, 3, 3, 0].tolist()


# --- labels --------------------------------------------------------------------------------------


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
        (["x2", "x10", "x1"], ("x1", "x2", "x10")),
    ],
)
def test_labels_are_sorted_as_numbers(pack, labels, order):
    rows = "".join(f"{i}.png,{label}\n" for i, label in enumerate(labels))
    files = {f"{i}.png": png(100 + i) for i in range(len(labels))}

    data = load(pack(files | {"labels.csv": f"file,label\n{rows}"}))

    assert data.class_names == order


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
    assert "metadata.csv has no column label, only file_name, text" in data.notes[0]


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


def test_single_class_folder_is_a_class(pack):
    assert load(pack({"cat/1.png": png(), "cat/2.png": png()})).class_names == ("cat",)


# --- files ---------------------------------------------------------------------------------------


@pytest.fixture
def without_plugins(monkeypatch):
    """Pretend that no package adds formats to Pillow."""
    known = image_files.find_suffixes() - {".heic", ".heif", ".heics", ".heifs", ".hif", ".jxl"}
    monkeypatch.setattr(folder_contents, "find_suffixes", lambda: known)


def test_files_of_unknown_formats_are_counted(pack, without_plugins):
    files = {f"{i}.HEIC": b"heic" for i in range(40)} | {"x.nef": b"MM\0*", "y.svg": b"<svg>"}
    documents = {"README.md": b"", "notes.txt": b"", ".hidden.jpg": b""}

    data = load(pack(files | documents | {"z.png": png()}))

    assert data.notes == (
        f"{data.name}: 42 files not read: 40 .heic, 1 .nef, 1 .svg; "
        "install pillow-heif to read HEIC files.",
    )


def test_folder_of_unknown_formats_says_what_it_holds(pack, without_plugins):
    with pytest.raises(DataError, match=r"no images in .*; 1 file not read: 1 \.heic; install"):
        load(pack({"a.heic": b""}))


def test_heic_files_are_read_with_pillow_heif(pack):
    heif = pytest.importorskip("pillow_heif", reason="needs pillow-heif")
    heif.register_heif_opener()
    file = io.BytesIO()
    Image.new("L", (8, 8), 150).save(file, "HEIF")

    data = load(pack({"a.heic": file.getvalue(), "b.HEIF": file.getvalue()}))

    assert len(data.images) == 2
    np.testing.assert_allclose(data.images, 150, atol=2)


def test_images_with_unknown_endings_are_read(pack):
    data = load(pack({"a.jpg_large": png(101), "IMG.v1.0": png(102), "b": png(103)}))

    assert sorted(levels(data)) == [101, 102, 103]


def test_only_the_first_frame_is_used_and_reported(pack, tmp_path):
    frames = [Image.new("L", (4, 4), level) for level in (90, 150)]
    contents = {}
    for ending in ("gif", "tif", "png", "webp"):
        file = io.BytesIO()
        frames[0].save(file, ending.replace("tif", "tiff"), save_all=True, append_images=frames[1:])
        contents[f"a.{ending}"] = file.getvalue()
    path = pack(contents)

    data = load(path)

    assert set(levels(data)) <= {89, 90, 91}
    line = "4 have several frames or pages, of which the first is used: a.gif, a.png, a.tif and 1"
    assert line in data.notes[0]
    assert load(path).notes == data.notes  # also from the cache
    assert line in said("data", path)


@pytest.mark.parametrize("high", [1, 30, 4095])
def test_nearly_black_images_are_reported(pack, tmp_path, high):
    pixels = np.linspace(0, high, 16).reshape(4, 4)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8 if high < 256 else np.uint16)).save(file, "png")
    path = pack({"dark.png": file.getvalue()})

    assert "1 of 1 images are nearly black" in load(path).notes[0]
    assert "! 1 nearly black: dark.png" in said("data", path)


def test_links_do_not_win_over_the_folder_that_they_point_to(tmp_path):
    (tmp_path / "images" / "real").mkdir(parents=True)
    (tmp_path / "images" / "real" / "1.png").write_bytes(png())
    (tmp_path / "images" / "other").mkdir()
    (tmp_path / "images" / "other" / "1.png").write_bytes(png())
    (tmp_path / "images" / "a_link").symlink_to("real", target_is_directory=True)

    data = load("images")

    assert data.class_names == ("other", "real")
    assert "a_link/: a link to a folder that is here already" in data.notes[0]


def test_control_characters_in_names_are_escaped(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a\nError: all is lost.png", "\x1b[31mred\x1b[2J.png", "\u202egnp.png"):
        (tmp_path / "images" / name).write_bytes(b"bad")

    (tmp_path / "images" / "ok.png").write_bytes(png())
    note = load("images").notes[0]
    shown = said("data", "images")
    for text in (note, shown):
        assert r"a\nError: all is lost.png" in text
        assert r"\x1b[31mred\x1b[2J.png" in text
        assert r"\u202egnp.png" in text
    (tmp_path / "images" / "ok.png").unlink()
    assert r"a\nError" in refused("data", "images")


def test_damaged_zip_files_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.png", png())
        archive.writestr("2.png", png(90))
    content = (tmp_path / "a.zip").read_bytes()
    for at in range(0, len(content), 7):
        (tmp_path / "b.zip").write_bytes(content[:at] + b"\xff\xff" + content[at + 2 :])
        done = gandem("data", "folder:b.zip")
        assert done.exit_code in (0, 1), done.exception
        assert done.exception is None or isinstance(done.exception, SystemExit)


def test_zip_members_that_cannot_be_read_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.png", png())
        archive.writestr("__MACOSX/._1.png", b"")
        archive.writestr("2.png", png(90))
        archive.getinfo("2.png").flag_bits |= 1  # encrypted

    data = load("a.zip")

    assert len(data.images) == 1
    assert "2.png: encrypted" in data.notes[0]


def test_path_alone_is_answered_with_the_right_name(pack, tmp_path):
    path = pack({"a.png": png()})
    np.savez(tmp_path / "a.npz", images=np.zeros((2, 2, 2)))

    with pytest.raises(NotFoundError, match=f"Use --data folder:{path}"):
        find_dataset(path)
    with pytest.raises(NotFoundError, match=r"Use --data npz:a\.npz"):
        find_dataset("a.npz")
    assert "1 images" in said("data", path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_are_not_opened(tmp_path):
    (tmp_path / "images").mkdir()
    os.mkfifo(tmp_path / "images" / "pipe.png")
    (tmp_path / "images" / "a.png").write_bytes(png())

    assert "pipe.png: is not a file" in load("images").notes[0]
