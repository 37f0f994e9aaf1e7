"""Loading from the Hub: a local one, one that cannot be reached, and the cache.

The library reads the Hub's address when it is imported, so each address needs a process, which
answers the questions of several tests.
"""

import json
import os
import socketserver
import subprocess
import sys
import threading

import pytest
from hub import hub
from refusal import refused

UNREACHABLE = (
    "the Hugging Face Hub cannot be reached, and the data is not in the cache. Connect to the "
    "network, or name a path."
)
NOWHERE = "http://127.0.0.1:9"  # the discard port, where nothing listens
ASK = """
import json, sys
from pathlib import Path
from gandem.core.errors import DataError
from gandem.core.data.dataset import load_dataset
for argument, data_dir in json.loads(sys.argv[1]):
    try:
        data = load_dataset("hf:" + argument, data_dir and Path(data_dir))
        print(json.dumps({"count": len(data.images), "source": data.source}))
    except DataError as error:
        print(json.dumps(str(error).removeprefix(f"hf:{argument}: ")))
"""


def publish(folder, table):
    """Write two commits of acme/digits: twelve images, and a test split; later on, six images."""
    whole = table()
    half = whole.select(range(6))
    first, second = (folder / "acme" / "digits" / commit / "data" for commit in ("a1", "b2"))
    for place in (first, second):
        place.mkdir(parents=True)
    whole.to_parquet(str(first / "train-00000-of-00001.parquet"))
    half.to_parquet(str(first / "test-00000-of-00001.parquet"))
    half.to_parquet(str(second / "train-00000-of-00001.parquet"))


def ask(address, cache, *questions):
    """Load data sets in a process with the Hub at an address; assert that it prints nothing else.

    Args:
        questions: (argument, data folder or "") each.

    Returns:
        The answers by question: the facts of the data set, or the error message.
    """
    variables = {"HF_ENDPOINT": address, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    questions = [(argument, str(data_dir)) for argument, data_dir in questions]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK, json.dumps(questions)],
        capture_output=True,
        text=True,
        env=os.environ | variables,
    )
    assert done.stderr == ""
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(questions, answers, strict=True))


@pytest.fixture(scope="module")
def online(table, tmp_path_factory):
    """Return the answers with a Hub, the cache, and a data folder in which one set was kept."""
    root = tmp_path_factory.mktemp("hub")
    publish(root / "hub", table)
    with hub(root / "hub") as address:
        answers = ask(
            address,
            root / "cache",
            ("acme/digits#revision=a1", ""),
            ("acme/digits#revision=a1,split=test", ""),
            ("acme/digits", ""),
            ("acme/digits", root / "kept"),
            ("acme/digts", ""),
            ("acme/digits#revision=c3", ""),
            ("acme/digits#config=big", ""),
            ("acme/digits#split=dev", ""),
        )
    return answers, root / "cache", root / "kept"


@pytest.fixture(scope="module")
def unreachable(online, tmp_path_factory):
    """Return the answers where a server ends each connection without a word, and an empty cache;
    and the paths that were requested.
    """
    _, _, kept = online
    paths = []

    class Silent(socketserver.StreamRequestHandler):
        def handle(self):
            paths.append(self.rfile.readline().decode().split()[1])

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers = ask(
            f"http://127.0.0.1:{server.server_address[1]}",
            tmp_path_factory.mktemp("empty"),
            ("acme/digits", kept),
            ("acme/digits", ""),
        )
        server.shutdown()
    return answers, paths


def at(commit, count, split="train"):
    source = f"acme/digits at {commit}, {split}, through Hugging Face datasets"
    return {"count": count, "source": source}


def test_a_data_set_comes_from_the_hub_at_a_commit(online):
    answers, _, _ = online

    assert answers["acme/digits#revision=a1", ""] == at("a1", 12)
    assert answers["acme/digits#revision=a1,split=test", ""] == at("a1", 6, "test")
    assert answers["acme/digits", ""] == at("b2", 6)


def test_without_the_hub_a_data_set_comes_from_the_cache(online):
    _, cache, _ = online

    answers = ask(NOWHERE, cache, ("acme/digits", ""), ("acme/digits#revision=a1", ""))

    assert answers["acme/digits", ""] == at("b2", 6)
    assert answers["acme/digits#revision=a1", ""] == (
        "the Hugging Face Hub cannot be reached, and the newest in the cache is commit b2. "
        "Connect to the network, or write revision=b2."
    )


def test_what_was_kept_in_a_data_dir_needs_neither_the_hub_nor_the_cache(unreachable, online):
    _, _, kept = online
    answers, _ = unreachable

    assert answers["acme/digits", str(kept)] == at("b2", 6)


def test_what_was_not_kept_says_that_the_hub_cannot_be_reached(unreachable):
    answers, _ = unreachable

    assert answers["acme/digits", ""] == UNREACHABLE


def test_a_hub_that_does_not_answer_is_asked_once_a_data_set(unreachable):
    """The library alone tries again for half a minute."""
    _, paths = unreachable

    assert [path for path in paths if "digits" in path] == ["/api/datasets/acme/digits"] * 2


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "acme/digts",
            "the Hugging Face Hub has no data set 'acme/digts', or not for everybody; log in "
            "with: hf auth login",
        ),
        ("acme/digits#revision=c3", "there is no revision 'c3'."),
        (
            "acme/digits#config=big",
            "it cannot be loaded: BuilderConfig 'big' not found. Available: ['default']",
        ),
        (
            "acme/digits#split=dev",
            "it cannot be loaded: Unknown split \"dev\". Should be one of ['train'].",
        ),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(online, argument, message):
    assert online[0][argument, ""] == message


def test_offline_a_name_is_one_line(capfd):
    assert refused("ylecun/mnist") == UNREACHABLE
    assert capfd.readouterr() == ("", "")
