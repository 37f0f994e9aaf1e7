"""`run.json`: what is written is read back, and anything else is refused in one line."""

import json
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from gandem.core.errors import RunError
from gandem.core.runs import Settings
from gandem.core.runs.record import (
    BestCheckpoint,
    DataRecord,
    OriginRecord,
    RunRecord,
    Segment,
    read_record,
    write_record,
)
from gandem.core.training.feed.epochs import EpochSpan

FULL = RunRecord(
    model="dcgan",
    spec_digest="0" * 64,
    seed=3,
    precision="float32",
    data=DataRecord(name="digits", digest="1" * 64, count=1797, class_names=("0", "1")),
    origin=OriginRecord(source="other.safetensors", digest="3" * 64, names={"a": "b"}, new=("c",)),
    steps_planned=12,
    epochs=(EpochSpan(batches_per_epoch=3, batches_per_step=2),),
    stream="2" * 64,
    settings=Settings(data="digits", steps=12, seed=3),
    state="interrupted",
    backend="torch",
    device="cpu",
    machine="a machine",
    versions={"torch": "2.6.0"},
    gandem="0.1.0",
    command="gandem train dcgan",
    started="2026-11-21T20:00:00+00:00",
    steps=6,
    seconds=1.5,
    steps_per_second=4.0,
    seconds_to_first_step=0.25,
    losses={"discriminator": 1.25, "generator": None},
    peak_memory=2**30,
    best=BestCheckpoint(metric="generator", value=0.5, step=6),
    evaluation={"last": {"step": 6, "frechet": 2.5}, "times": 2},
    health={"verdict": "no sign of trouble", "now": ["well"]},
    allowed_changes=("learning_rate",),
    segments=(Segment(backend="torch", notes=("a note",), changed={"data": ["1", "2"]}),),
)
SMALL = {"backend": "torch", "precision": "float32", "seed": 3, "data": {}}


def write(folder, data):
    """Write a run.json with the data, or the text."""
    text = data if isinstance(data, str) else json.dumps(data)
    (folder / "run.json").write_text(text)


def test_record_is_read_as_it_was_written(tmp_path):
    write_record(tmp_path, FULL)

    assert read_record(tmp_path) == FULL


def test_file_has_the_names_of_the_fields(tmp_path):
    write_record(tmp_path, FULL)

    data = json.loads((tmp_path / "run.json").read_text())
    assert set(data) == {field.name for field in fields(RunRecord)}
    assert data["losses"] == {"discriminator": 1.25, "generator": None}
    assert data["best"] == {"metric": "generator", "value": 0.5, "step": 6}
    assert data["segments"][0]["first_step"] == 0


def test_run_without_a_best_checkpoint_says_so(tmp_path):
    write_record(tmp_path, replace(FULL, best=None))

    assert json.loads((tmp_path / "run.json").read_text())["best"] is None
    assert read_record(tmp_path).best is None


def test_few_fields_are_enough(tmp_path):
    write(tmp_path, SMALL)

    record = read_record(tmp_path)

    assert (record.steps, record.state, record.best, record.segments) == (0, "running", None, ())


def test_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        FULL.steps = 7


@pytest.mark.parametrize("name", SMALL)
def test_required_field_is_named_when_it_is_missing(tmp_path, name):
    write(tmp_path, {key: value for key, value in SMALL.items() if key != name})

    with pytest.raises(RunError, match=f"run.json: damaged; the record: the field '{name}' is mis"):
        read_record(tmp_path)


BAD_FIELDS = {
    "a text for a number": ({"steps": "6"}, "steps: expected a whole number, received '6'"),
    "a negative step": ({"steps": -1}, "steps: expected"),
    "a seed beyond 63 bits": ({"seed": 2**63}, "seed: expected"),
    "an unknown state": ({"state": "tired"}, "state: expected 'running' or"),
    "an unknown precision": ({"precision": "float8"}, "precision: expected 'float32' or"),
    "an unknown field": ({"stepz": 6}, "unknown field 'stepz'. Did you mean 'steps'"),
    "an unknown field of the data": ({"data": {"nam": "x"}}, "data: unknown field 'nam'"),
    "a list for a table": ({"losses": [1.0]}, "losses: expected a table, received"),
    "a text in the losses": ({"losses": {"generator": "x"}}, "losses.generator: expected a number"),
    "a segment without a table": ({"segments": [3]}, r"segments\[0\]: expected a table"),
    "a best checkpoint without a step": (
        {"best": {"metric": "x", "value": 1.0}},
        "best: the field 'step' is missing",
    ),
    "an old format": ({"format": 0}, "format: expected 1, received 0"),
    "wrong settings": ({"settings": {"log_every": 0}}, "settings.log_every: expected"),
    "changes that are no list": ({"allowed_changes": 5}, "allowed_changes: expected a list"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_wrong_field_is_named_in_one_line(tmp_path, changes, message):
    write(tmp_path, SMALL | changes)

    with pytest.raises(RunError, match=rf"run\.json: damaged; .*{message}") as caught:
        read_record(tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def with_health(text):
    """Return a record whose health holds a JSON value, as text."""
    return f'{json.dumps(SMALL)[:-1]}, "health": {{"a": {text}}}}}'


BAD_FILES = {
    "nothing": ("", "Expecting value"),
    "half a file": ('{"backend": ', "Expecting value"),
    "a list": ("[]", "expected a JSON object"),
    "NaN": (with_health("NaN"), "expected finite numbers, received NaN"),
    "infinity": (with_health("-Infinity"), "expected finite numbers, received -Infinity"),
    "a number beyond float64": (with_health("1e999"), "expected finite numbers, received Infinity"),
    "too deep": (with_health('{"a": ' * 30 + "1" + "}" * 30), "it is nested too deeply"),
    "a hundred thousand brackets": ("[" * 100_000, ""),
    "half a letter": (with_health('"\\ud800"'), "it is not valid UTF-8"),
    "an integer of 5,000 digits": (with_health("9" * 5000), ""),
    "too large": (" " * 16_000_001, "expected at most 16000000 bytes"),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_file_that_is_no_record_is_refused_in_one_line(tmp_path, text, message):
    write(tmp_path, text)

    with pytest.raises(RunError, match=rf"run\.json: damaged; .*{message}") as caught:
        read_record(tmp_path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
