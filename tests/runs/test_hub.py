"""Saved models on a hub: the real client against a local server."""

import re
import shutil
import sys

import pytest
from support.commands import TINY, refused, said
from support.hub import TOKEN, serve

import gandem
from gandem.core.errors import RunError
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import registry
from gandem.core.runs.saved.hub import FILES

constants = pytest.importorskip("huggingface_hub.constants")
NAME = "ada/tiny"
LOGIN = "log in with 'hf auth login', or set HF_TOKEN."


pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run on the toy backend, and the folder of the model that was saved from it."""
    folder = tmp_path_factory.mktemp("trained")
    entry = Entry(id="toy", target="support.toy_backend:Toy", kind="backends", provider="tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry()._entries, "backends", [entry])
        options = {"steps": 2, "backend": "toy", "data": data, "changes": TINY["dcgan"]}
        run = gandem.train("dcgan", out=folder / "run", **options)
        return run, run.save_pretrained(folder / "model").path


@pytest.fixture
def run(trained, toy):
    return trained[0]


@pytest.fixture
def model(trained, toy, tmp_path):
    """A copy of the saved model."""
    return gandem.open_run(shutil.copytree(trained[1], tmp_path / "model"))


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Serve an empty hub; the client has an empty cache and no token."""
    with serve() as (server, address):
        for name, value in {
            "ENDPOINT": address,
            "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield server


def pixels(run):
    return run.generate(4).images.tolist()


def problem(target=f"hf://{NAME}", **options):
    """Return the message of the error that opening a model raises."""
    with pytest.raises(RunError) as caught:
        gandem.from_pretrained(target, **options)
    return str(caught.value)


# --- download ------------------------------------------------------------------------------------


def test_a_model_on_the_hub_opens_as_a_run_and_its_other_files_are_not_downloaded(hub, model):
    (model.path / "weights.pkl").write_bytes(b"no")
    hub.add(NAME, model.path)

    opened = gandem.from_pretrained(NAME)

    assert pixels(opened) == pixels(model)
    assert {path.name for path in opened.path.iterdir()} == set(FILES)
    assert not [path for _, path, _ in hub.requests if path.endswith(".pkl")]


def test_a_command_takes_a_model_on_the_hub(hub, model, tmp_path):
    hub.add(NAME, model.path)

    said("generate", f"hf://{NAME}", "-n", 4, "-o", tmp_path / "grid.png")
    said("generate", model.path, "-n", 4, "-o", tmp_path / "same.png")

    assert (tmp_path / "grid.png").read_bytes() == (tmp_path / "same.png").read_bytes()


@pytest.mark.parametrize("how", ["name", "option"])
def test_a_revision_is_pinned(hub, model, how):
    first = hub.add(NAME, model.path)
    record = model.path / "run.json"
    record.write_text(record.read_text().replace('"seed": 0', '"seed": 7'))
    hub.add(NAME, model.path)

    target, revision = (f"hf://{NAME}@{first}", None) if how == "name" else (NAME, first)

    assert gandem.from_pretrained(target, revision=revision).record.seed == 0
    assert gandem.from_pretrained(NAME).record.seed == 7


def test_an_interrupted_download_fails_in_one_line_and_can_be_repeated(hub, model, monkeypatch):
    hub.add(NAME, model.path)
    hub.cut["model.safetensors"] = 99
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)

    assert problem().startswith(f"hf://{NAME}: the transfer failed")
    hub.cut.clear()

    assert pixels(gandem.from_pretrained(NAME)) == pixels(model)


def test_offline_mode_uses_the_cache_and_no_network(hub, model, monkeypatch):
    hub.add(NAME, model.path)
    gandem.from_pretrained(NAME)
    from huggingface_hub import close_session

    count = len(hub.requests)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    close_session()

    assert pixels(gandem.from_pretrained(NAME)) == pixels(model)
    assert "not in the cache" in problem("hf://ada/other")
    assert len(hub.requests) == count
    monkeypatch.undo()
    close_session()


def test_without_a_network_the_error_is_one_line(hub, monkeypatch):
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    words = f"Error: hf://{NAME}: it is not in the cache, and the hub cannot be reached."
    assert refused("generate", f"hf://{NAME}") == words.removeprefix("Error: ")


def test_a_repository_that_does_not_exist(hub):
    missing = "there is no such repository, or it is private; to read a private one, "
    assert problem() == f"hf://{NAME}: {missing}{LOGIN}"


def test_a_private_repository_is_read_with_the_token(hub, model, monkeypatch):
    hub.add(NAME, model.path)
    hub.private.add(NAME)
    assert "no such repository, or it is private" in problem()

    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert pixels(gandem.from_pretrained(NAME)) == pixels(model)


@pytest.mark.parametrize("token", ["hf_wrong", "hf_bad\ntoken", "hf_ünicode"])
def test_a_wrong_token_is_never_printed(hub, model, monkeypatch, token):
    hub.add(NAME, model.path)
    monkeypatch.setenv("HF_TOKEN", token)

    for text in (problem(), refused("push", model.path, NAME)):
        assert "hf_" not in text
        assert text.startswith(f"hf://{NAME}: the hub ")


def test_a_revision_that_does_not_exist(hub, model):
    hub.add(NAME, model.path)

    assert problem(NAME, revision="v9") == f"hf://{NAME}: it has no revision 'v9'."


@pytest.mark.parametrize(
    "name",
    [
        "hf://ada",
        "hf://ada/",
        "hf://a/b/c",
        "hf:///x",
        "hf://ada/../x",
        "hf://ada/x y",
        "hf://ada/x-",
        "hf://-a/x",
    ],
)
def test_a_name_that_no_hub_can_have(name):
    assert problem(name).startswith("Expected a name on the hub like 'hf://user/name', received")


@pytest.mark.parametrize("name", ["./none", "/none", "none/my model"])
def test_a_path_that_does_not_exist_is_not_a_name_on_the_hub(name):
    assert problem(name).endswith("not a run; it does not exist.")


def test_a_repository_of_another_library(hub):
    hub.commit(NAME, {"config.json": b"{}", "model.safetensors": b"x", "README.md": b"x"})

    assert problem() == f"hf://{NAME}: not a model of gandem; it has no spec.toml."


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("run.json", b'"format": 1', b'"format": 2'),
        ("spec.toml", b"schema = 1", b"schema = 2"),
        ("model.safetensors", b'\\"format\\": 1', b'\\"format\\": 2'),
    ],
)
def test_a_newer_format_is_refused(hub, model, file, old, new):
    path = model.path / file
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    hub.add(NAME, model.path)

    words = refused("generate", f"hf://{NAME}")

    assert words.endswith("upgrade gandem.")
    assert "damaged" not in words


def test_without_the_client_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)

    assert re.fullmatch(
        r"Names on a hub need huggingface_hub. Install it with: pip install .*", problem()
    )


# --- upload --------------------------------------------------------------------------------------


@pytest.fixture
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_a_run_is_pushed_with_a_card_that_names_it(hub, run, token):
    text = said("push", run.path, NAME, "--license", "mit", "--message", "First")

    opened = gandem.from_pretrained(NAME)
    assert pixels(opened) == pixels(run)
    assert opened.record.license == "mit"
    assert {path.name for path in opened.path.iterdir()} == set(FILES)
    assert f"gandem generate hf://{NAME}" in (opened.path / "README.md").read_text("utf-8")
    assert hub.messages == ["First"]
    assert hub.branches[NAME]["main"] in text
    assert NAME not in hub.private


def test_a_saved_model_is_pushed_as_it_is_to_a_branch_of_a_private_repository(hub, model, token):
    card = model.path / "README.md"
    card.write_text(card.read_text("utf-8") + "\nMore.\n", "utf-8")
    (model.path / "notes.txt").write_text("private")

    model.push(NAME, private=True, revision="v1")

    pushed = hub.files[NAME][hub.branches[NAME]["v1"]]
    assert pushed == {name: (model.path / name).read_bytes() for name in FILES}
    assert NAME in hub.private
    assert hub.files[NAME][hub.branches[NAME]["main"]] == {}


def test_a_damaged_model_is_not_pushed(hub, model, token):
    weights = model.path / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    line = refused("push", model.path, NAME)

    assert line.endswith("damaged; its bytes are not those that were written.")
    assert NAME not in hub.files


def test_pushing_without_a_token_says_how_to_log_in(hub, model):
    words = "the hub does not accept the token, or there is none; "
    assert refused("push", model.path, NAME) == f"hf://{NAME}: {words}{LOGIN}"
