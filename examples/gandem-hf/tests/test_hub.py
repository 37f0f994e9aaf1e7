"""The Hub: one on this machine, none at all, and what was kept of it."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from hub import hub
from refusal import refused

UNREACHABLE = (
    "the Hugging Face Hub cannot be reached, and the data is not in the cache. Connect to the "
    "network, or name a path."
)
NOWHERE = "http://127.0.0.1:9"  # the port that discards, where nothing listens
ASK = """
import json, sys
from pathlib import Path
from gandem.core.errors import DataError
from gandem.core.registry import load_dataset
for argument in sys.argv[2:]:
    try:
        data = load_dataset("hf:" + argument, sys.argv[1] and Path(sys.argv[1]))
        print(json.dumps({"count": len(data.images), "source": data.source}))
    except DataError as error:
        print(json.dumps(str(error).removeprefix(f"hf:{argument}: ")))
"""


@pytest.fixture
def published(parquet, tmp_path):
    """Two commits of acme/digits: twelve images, and a test split; later on, six images."""
    import datasets

    path = parquet()
    first, second = (tmp_path / "hub" / "acme" / "digits" / commit for commit in ("a1", "b2"))
    for commit in (first, second):
        (commit / "data").mkdir(parents=True)
    half = datasets.Dataset.from_parquet(str(path)).select(range(6))
    shutil.copy(path, first / "data" / "train-00000-of-00001.parquet")
    half.to_parquet(str(first / "data" / "test-00000-of-00001.parquet"))
    half.to_parquet(str(second / "data" / "train-00000-of-00001.parquet"))
    return tmp_path / "hub"


def ask(address, cache, *arguments, data_dir=""):
    """Load data sets, in a process that believes the Hub at an address; it says nothing else."""
    told = {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK, str(data_dir), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | told,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def at(commit, count, split="train"):
    source = f"acme/digits at {commit}, {split}, through Hugging Face datasets"
    return {"count": count, "source": source}


def test_a_data_set_comes_from_the_hub_at_a_commit_and_later_from_the_cache(published, tmp_path):
    with hub(published) as address:
        came = ask(
            address,
            tmp_path / "cache",
            "acme/digits#revision=a1",
            "acme/digits#revision=a1,split=test",
            "acme/digits",
        )
    kept = ask(NOWHERE, tmp_path / "cache", "acme/digits", "acme/digits#revision=a1")

    assert came == [at("a1", 12), at("a1", 6, "test"), at("b2", 6)]
    assert kept == [
        at("b2", 6),
        "the Hugging Face Hub cannot be reached, and the newest in the cache is commit b2. "
        "Connect to the network, or write revision=b2.",
    ]


def test_with_a_data_dir_it_is_kept_there(published, tmp_path):
    kept = tmp_path / "kept"
    with hub(published) as address:
        ask(address, tmp_path / "cache", "acme/digits", data_dir=kept)
    shutil.rmtree(tmp_path / "cache")

    assert ask(NOWHERE, tmp_path / "cache", "acme/digits", data_dir=kept) == [at("b2", 6)]


def test_what_the_hub_does_not_have_is_one_line(published, tmp_path):
    with hub(published) as address:
        said = ask(
            address,
            tmp_path / "cache",
            "acme/digts",
            "acme/digits#revision=c3",
            "acme/digits#config=big",
            "acme/digits#split=dev",
        )

    assert said == [
        "the Hugging Face Hub has no data set 'acme/digts', or not for everybody; log in with: "
        "hf auth login",
        "there is no revision 'c3'.",
        "it cannot be loaded: BuilderConfig 'big' not found. Available: ['default']",
        "it cannot be loaded: Unknown split \"dev\". Should be one of ['train'].",
    ]


def test_a_network_without_the_hub_is_one_line_at_once(tmp_path):
    begun = time.monotonic()

    assert ask(NOWHERE, tmp_path / "cache", "acme/digits") == [UNREACHABLE]
    assert time.monotonic() - begun < 25  # most of it imports; the library alone takes 30 more


def test_offline_a_name_is_one_line(capfd):
    assert refused("ylecun/mnist") == UNREACHABLE
    assert capfd.readouterr() == ("", "")
