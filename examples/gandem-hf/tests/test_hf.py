"""The plugin: registration, loading from the disk, options, and a training."""

import importlib.util
import re
import shutil
import subprocess
import sys

import gandem
import numpy as np
import pytest
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import RunError
from gandem.core.plugins.registry import registry
from PIL import Image
from refusal import refused

BACKEND = "torch" if importlib.util.find_spec("torch") else "keras"


# --- the plugin -----------------------------------------------------------------------------------


def test_gandem_has_nothing_to_say_against_the_plugin():
    (plugin,) = [p for p in registry().plugins if p.distribution == "gandem-hf"]

    assert plugin.adds == {"datasets": ["example/hf"]}
    assert plugin.problems == []


def test_listing_it_imports_nothing_heavy():
    code = "import sys, gandem.core.plugins.registry as r; r.registry(); print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "gandem_hf" in done.stdout.split()
    assert not {"datasets", "pyarrow", "pandas", "gandem_hf.loader"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["hf", "example/hf"])
def test_its_prefix_may_be_left_out(parquet, name):
    assert len(load_dataset(f"{name}:{parquet()}").images) == 12


# --- from the disk --------------------------------------------------------------------------------


def test_a_parquet_file_holds_images_and_named_labels(parquet, digits):
    path = parquet()

    data = load_dataset(f"hf:{path}")

    np.testing.assert_array_equal(data.images, digits[..., None])
    assert data.labels.tolist() == [0, 1, 2] * 4
    assert data.class_names == ("zero", "one", "two")
    assert data.name == f"hf:{path}"


def test_a_folder_of_images_holds_a_class_in_each_subfolder(folder, digits):
    data = load_dataset(f"hf:{folder}")

    np.testing.assert_array_equal(
        data.images, np.concatenate([digits[::2], digits[1::2]])[..., None]
    )
    assert data.labels.tolist() == [0] * 6 + [1] * 6
    assert data.class_names == ("even", "odd")


def test_an_arrow_file_is_read(table, tmp_path, digits):
    table().save_to_disk(str(tmp_path / "saved"))
    (file,) = (tmp_path / "saved").glob("*.arrow")

    np.testing.assert_array_equal(load_dataset(f"hf:{file}").images, digits[..., None])


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_save_to_disk_has_written_is_read(table, tmp_path, split):
    import datasets

    parts = {"train": table(), "test": table().select(range(5))}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "saved"))

    data = load_dataset(f"hf:{tmp_path / 'saved'}#split={split}")

    assert len(data.images) == len(parts[split])
    assert refused(f"{tmp_path / 'saved'}#split=dev") == (
        "it cannot be loaded: Unknown split \"dev\". Should be one of ['train', 'test']."
    )


def test_one_saved_table_is_one_split_of_which_a_part_may_be_asked_for(table, tmp_path):
    table().save_to_disk(str(tmp_path / "saved"))
    path = tmp_path / "saved"

    assert len(load_dataset(f"hf:{path}").images) == 12
    assert len(load_dataset(f"hf:{path}#split=train[:3]+train[-25%:]").images) == 6
    assert refused(f"{path}#split=train[:0]") == "it has no images."
    assert refused(f"{path}#split=test") == (
        "it cannot be loaded: Unknown split \"test\". Should be one of ['train']."
    )


def test_a_table_saved_with_its_images_undecoded_is_read(table, tmp_path, digits):
    import datasets

    undecoded = table().cast_column("image", datasets.Image(decode=False))
    undecoded.save_to_disk(str(tmp_path / "saved"))

    images = load_dataset(f"hf:{tmp_path / 'saved'}").images

    np.testing.assert_array_equal(images, digits[..., None])


def test_a_folder_with_variants_asks_for_one(parquet, tmp_path):
    for variant in ("one", "two"):
        (tmp_path / "both" / variant).mkdir(parents=True)
        shutil.copy(parquet(), tmp_path / "both" / variant / "train.parquet")
    (tmp_path / "both" / "README.md").write_text(
        "---\nconfigs:\n- config_name: one\n  data_files: one/*\n"
        "- config_name: two\n  data_files: two/*\n---\n"
    )

    assert len(load_dataset(f"hf:{tmp_path / 'both'}#config=two").images) == 12
    assert refused(tmp_path / "both") == (
        "it cannot be loaded: Config name is missing. "
        "Please pick one among the available configs: ['one', 'two']"
    )


def test_a_path_may_begin_in_the_data_dir(parquet):
    path = parquet()

    assert len(load_dataset(f"hf:{path.name}", path.parent).images) == 12


def test_an_empty_table_is_refused(table, tmp_path):
    table().select([]).to_parquet(str(tmp_path / "empty.parquet"))

    assert refused(tmp_path / "empty.parquet") == (
        'it cannot be loaded: Instruction "train" corresponds to no data!'
    )


def test_a_part_of_a_split_may_be_asked_for(parquet):
    assert len(load_dataset(f"hf:{parquet()}#split=train[:25%]").images) == 3


def test_equal_images_have_an_equal_digest_wherever_they_are_from(parquet, table, tmp_path):
    table().save_to_disk(str(tmp_path / "saved"))

    data = [load_dataset(f"hf:{path}") for path in (parquet(), tmp_path / "saved")]

    assert data[0].digest == data[1].digest


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("splt=test", "there is no option 'splt'. Did you mean 'split'?"),
        ("source=x", "there is no option 'source'. There are: "),
        ("split", "write split=VALUE, once."),
        ("split=", "write split=VALUE, once."),
        ("revision", "write revision=VALUE, once."),
        ("split=a,split=b", "write split=VALUE, once."),
        ("size=28", "expected a size HEIGHTxWIDTH, like 28x28, received '28'."),
        ("size=0x28", "expected a size HEIGHTxWIDTH, like 28x28, received '0x28'."),
        ("channels=2", "expected channels=1 or channels=3, received '2'."),
    ],
)
def test_an_option_that_cannot_be_is_one_line(options, line):
    assert refused(f"ylecun/mnist#{options}").startswith(line)


def test_nothing_is_refused():
    assert refused("") == (
        "hf: expected a name or a path, received none. Use --data hf:ylecun/mnist."
    )


@pytest.mark.parametrize("source", ["./x", "/nowhere/x", "~/nowhere-at-all", "x.parquet", "a/b/c"])
def test_a_path_that_is_not_there_is_no_name(source):
    assert re.fullmatch(r"there is no '.+'\.", refused(source))


def test_what_lies_on_the_disk_has_no_revisions(parquet):
    assert refused(f"{parquet()}#revision=v1").startswith("only the Hub has revisions, ")


@pytest.mark.parametrize("kind", ["parquet", "imagefolder"])
def test_a_kind_of_file_does_not_stand_for_all_such_files_that_lie_here(
    parquet, tmp_path, monkeypatch, kind
):
    parquet()
    monkeypatch.chdir(tmp_path)

    assert refused(kind) == f"{kind!r} is a kind of file; name the file."


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")

    assert refused(tmp_path / "x.csv") == (
        "expected a folder, or a file that ends in .parquet or .arrow, received 'x.csv'."
    )


def test_an_unknown_split_is_one_line(parquet):
    assert refused(f"{parquet()}#split=test") == (
        "it cannot be loaded: Unknown split \"test\". Should be one of ['train']."
    )


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow"])
def test_a_damaged_file_is_one_line(tmp_path, name, capfd):
    (tmp_path / name).write_bytes(b"no table")

    assert refused(tmp_path / name).startswith("it cannot be loaded: ")
    assert capfd.readouterr() == ("", "")


def test_an_empty_folder_is_one_line(tmp_path):
    assert refused(tmp_path).startswith("it cannot be loaded: ")


def test_a_folder_with_a_script_runs_nothing(tmp_path):
    place = tmp_path / "evil"
    place.mkdir()
    (place / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")

    assert refused(place).startswith("it cannot be loaded: ")
    assert not (tmp_path / "ran").exists()


# --- a training -----------------------------------------------------------------------------------

SMALL = {"image": (8, 8, 1), "latent": 4, "width": 2, "batch_size": 4}


def test_a_gan_trains_on_it_and_goes_on_with_the_same_data_alone(folder, tmp_path):
    data = f"hf:{folder}#split=train[:8],label=none"
    out = tmp_path / "run"

    run = gandem.train("dcgan", backend=BACKEND, data=data, steps=2, changes=SMALL, out=out)
    resumed = gandem.resume(run, steps=3)
    changed = sorted(folder.rglob("*.png"))[0]
    Image.open(changed).point(lambda pixel: 255 - pixel).save(changed)

    assert resumed.record.steps == 3
    assert resumed.record.data.digest != load_dataset(data).digest
    with pytest.raises(RunError, match="the data's SHA-256 has changed since step 3"):
        gandem.resume(run, steps=4)
