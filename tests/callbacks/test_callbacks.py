"""Callbacks: the order of events, what they receive, errors, and those of plugins."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from support.commands import HOME, TINY, needs_a_backend

import gandem
from gandem.core.errors import SpecError
from gandem.core.plugins.entry import Entry
from gandem.core.plugins.registry import Registry, registry
from gandem.core.runs import callbacks as module
from gandem.core.runs.callbacks import IsolatedCallback, load_callbacks
from gandem.core.runs.trainer import EVENTS, Callback

ALL_EVENTS = ("prepare", "on_step_start", *EVENTS, "on_last_step")


class Recorder(Callback):
    """Records the events it receives, each with a step."""

    def __init__(self):
        self.events = []


def _record(event):
    def record(self, trainer, *arguments):
        self.events.append((event, trainer.step, *arguments))

    return record


for _event in ALL_EVENTS:
    setattr(Recorder, _event, _record(_event))


def raising(event: str, error: BaseException) -> Recorder:
    """Return a recorder that raises an error at an event."""
    recorder = Recorder()

    def fail(trainer, *arguments):
        recorder.events.append((event, trainer.step))
        raise error

    setattr(recorder, event, fail)
    return recorder


@pytest.fixture
def train(data, tmp_path):
    """Return a function that trains a tiny model with callbacks: three steps make an epoch."""

    def begin(*callbacks, **settings):
        defaults = {"backend": HOME, "data": data, "steps": 4, "log_every": 2}
        return gandem.train(
            "dcgan",
            changes=TINY["dcgan"],
            out=tmp_path / "run",
            callbacks=callbacks,
            **defaults | settings,
        )

    return begin


# --- callbacks of users --------------------------------------------------------------------------


@needs_a_backend
def test_events_come_in_order(train):
    recorder = Recorder()

    train(recorder)

    events = [(name, step) for name, step, *_ in recorder.events if name != "on_checkpoint"]
    assert events == [
        ("prepare", 0),
        ("on_train_start", 0),
        ("on_step_start", 0),
        ("on_log", 1),
        ("on_step_end", 1),
        ("on_step_start", 1),
        ("on_log", 2),
        ("on_step_end", 2),
        ("on_step_start", 2),
        ("on_step_end", 3),
        ("on_epoch_end", 3),
        ("on_step_start", 3),
        ("on_log", 4),
        ("on_step_end", 4),
        ("on_last_step", 4),
        ("on_train_end", 4),
    ]


@needs_a_backend
def test_checkpoints_are_on_disk_when_callbacks_are_notified(train):
    checkpoints = []

    class Uploader(Callback):
        def on_checkpoint(self, trainer, checkpoint):
            assert checkpoint.path.exists()
            checkpoints.append((checkpoint.step, checkpoint.samples.name))

    train(Uploader())

    assert checkpoints == [(3, "epoch-0001.png"), (4, "step-000004.png")]


@needs_a_backend
def test_row_of_the_log_is_the_row_on_disk_and_read_only(train):
    recorder = Recorder()

    run = train(recorder)

    rows = [row for name, _, *rest in recorder.events if name == "on_log" for row in rest]
    assert list(map(dict, rows)) == run.log()
    with pytest.raises(TypeError, match="does not support item assignment"):
        rows[0]["generator"] = 0.0


@needs_a_backend
def test_losses_of_the_step_are_read_on_request(train):
    steps = []

    class Reader(Callback):
        def on_step_end(self, trainer):
            steps.append(trainer.read_losses()["generator"])

    run = train(Reader(), log_every=1)

    assert steps == [row["generator"] for row in run.log()]


@needs_a_backend
def test_scores_and_their_protocol_reach_callbacks(train):
    recorder, protocols = Recorder(), []

    class ProtocolReader(Callback):
        def on_evaluate(self, trainer, scores):
            protocols.append(trainer.protocol["extractor"])

    run = train(recorder, ProtocolReader(), evaluate_every=1, evaluate_count=20, extractor="pixels")

    scores = [(step, *rest) for name, step, *rest in recorder.events if name == "on_evaluate"]
    logged = [(row["step"], row["scores"]) for row in run.rows() if "scores" in row]
    assert [(step, dict(values)) for step, values in scores] == logged
    assert [step for step, _ in logged] == [3, 4]
    assert len(set(protocols)) == 1


@needs_a_backend
def test_warnings_reach_callbacks(train):
    """A learning rate this large makes the training diverge or the discriminator dominate."""
    recorder = Recorder()
    warning = {"step": 2, "health": "oscillation", "state": "begins", "because": "", "remedy": ""}

    class Diagnosis(Callback):
        def on_step_end(self, trainer):
            if trainer.step == 2:
                trainer.warn(warning)

    run = train(recorder, Diagnosis())

    assert [dict(e[2]) for e in recorder.events if e[0] == "on_warning"] == [warning]
    assert warning in run.rows()


@needs_a_backend
def test_callbacks_are_called_in_ascending_order(train):
    calls = []

    def ordered(number):
        def on_step_end(self, trainer):
            calls.append(number)

        return type("Ordered", (Callback,), {"order": number, "on_step_end": on_step_end})()

    train(ordered(300), ordered(5), ordered(50), steps=1)

    assert calls == [5, 50, 300]


@needs_a_backend
def test_measured_values_are_logged_and_facts_are_recorded(train):
    class Sharpness(Callback):
        def measure(self, trainer):
            return {"sharpness": trainer.step / 2}

    run = train(Sharpness())

    assert [row["sharpness"] for row in run.log()] == [0.5, 1.0, 2.0]


@needs_a_backend
@pytest.mark.parametrize("event", ["on_train_start", "on_step_end", "on_log", "on_checkpoint"])
def test_error_of_a_users_callback_ends_the_training(train, tmp_path, event):
    recorder = Recorder()

    with pytest.raises(ZeroDivisionError, match="mine"):
        train(raising(event, ZeroDivisionError("mine")), recorder)

    assert recorder.events[-1][0] == "on_train_end"
    if event != "on_train_start":
        assert gandem.open_run(tmp_path / "run").record.state == "failed"


@needs_a_backend
def test_error_at_the_end_is_raised_after_all_callbacks_were_notified(train, tmp_path):
    recorder = Recorder()

    with pytest.raises(ZeroDivisionError):
        train(raising("on_train_end", ZeroDivisionError()), recorder)

    assert recorder.events[-1] == ("on_train_end", 4)
    assert gandem.open_run(tmp_path / "run").record.state == "finished"


@needs_a_backend
def test_callback_that_refuses_leaves_nothing_behind(train, tmp_path):
    with pytest.raises(SpecError, match="no"):
        train(raising("prepare", SpecError("no")))

    assert not (tmp_path / "run").exists()


@needs_a_backend
def test_a_resumed_training_tells_callbacks_its_first_step(train):
    class Starts(Callback):
        def __init__(self):
            self.starts = []

        def on_train_start(self, trainer):
            self.starts.append((trainer.resumed, trainer.first_step, trainer.total_steps))

    starts = Starts()

    gandem.resume(train(starts), steps=6, callbacks=[starts])

    assert starts.starts == [(False, 0, 4), (True, 4, 6)]


@needs_a_backend
def test_callbacks_do_not_change_the_training(train, runs, data, tmp_path):
    class Draws(Callback):
        def on_step_end(self, trainer):
            trainer.read_losses()

    first = train(Draws())
    second = gandem.train(
        *("dcgan",),
        **{"backend": HOME, "data": data, "steps": 4, "log_every": 2},
        changes=TINY["dcgan"],
        out=tmp_path / "other",
    )

    clocks = ("seconds", "steps_per_second")
    rows = [
        [{k: v for k, v in row.items() if k not in clocks} for row in run.rows()]
        for run in (first, second)
    ]
    assert rows[0] == rows[1]


# --- isolation -----------------------------------------------------------------------------------

TRAINER = SimpleNamespace(step=2)
ARGUMENTS = {"on_log": [{}], "on_evaluate": [{}], "on_warning": [{}], "on_checkpoint": [None]}


def notify(callback: Callback, events=EVENTS) -> None:
    """Notify a callback of events."""
    for event in events:
        getattr(callback, event)(TRAINER, *ARGUMENTS.get(event, []))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (SystemExit(3), "SystemExit: 3"),
        (GeneratorExit(), "GeneratorExit"),
    ],
    ids=["raises", "exits", "raises no Exception"],
)
def test_first_error_is_reported_in_one_line_and_mutes_the_callback(event, error, text):
    recorder, notices = raising(event, error), []
    callback = IsolatedCallback(recorder, "The callback 'acme/x' of acme", notices.append)

    notify(callback)
    notify(callback)

    assert notices == [
        f"The callback 'acme/x' of acme: {event} raised {text}; the callback is muted for the "
        "rest of this training."
    ]
    assert recorder.events[-1][0] == event
    assert [name for name, *_ in recorder.events].count(event) == 1


def test_isolated_callback_receives_every_event():
    recorder = Recorder()

    notify(IsolatedCallback(recorder, "it", print))

    assert [name for name, *_ in recorder.events] == list(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_interrupt_in_a_plugin_is_an_interrupt(event):
    notices = []

    with pytest.raises(KeyboardInterrupt):
        notify(IsolatedCallback(raising(event, KeyboardInterrupt()), "it", notices.append))

    assert notices == []


def test_error_of_many_lines_is_reported_in_one():
    notices = []

    notify(IsolatedCallback(raising("on_log", OSError("a\nb\n  c")), "it", notices.append))

    assert "raised OSError: a b c; the callback is muted" in notices[0]


def test_error_without_text_is_reported_by_its_type():
    class Unprintable(Exception):
        def __str__(self):
            raise ValueError("no")

    notices = []

    notify(IsolatedCallback(raising("on_log", Unprintable()), "it", notices.append))

    assert "raised Unprintable; the callback is muted" in notices[0]


def test_output_of_a_plugin_goes_to_standard_error(capsys):
    class Loud(Callback):
        def on_step_end(self, trainer):
            print("step", trainer.step)

    notify(IsolatedCallback(Loud(), "it", print))

    assert capsys.readouterr() == ("", "step 2\n")


def test_isolated_callback_keeps_its_order():
    class Early(Callback):
        order = 7

    assert IsolatedCallback(Early(), "it", print).order == 7


# --- callbacks of plugins ------------------------------------------------------------------------


@pytest.fixture
def install(monkeypatch):
    """Return a function that installs callbacks of the plugin ``acme-gans``, by name."""

    def installed(**targets):
        plugin = ModuleType("acme_plugin")
        vars(plugin).update(targets)
        monkeypatch.setitem(sys.modules, "acme_plugin", plugin)
        added = [
            Entry(
                id=f"acme/{name}",
                target=f"acme_plugin:{name}",
                kind="callbacks",
                provider="acme-gans",
            )
            for name in targets
        ]
        kinds = {"callbacks": [*registry().entries("callbacks"), *added]}
        monkeypatch.setattr(module, "registry", lambda: Registry([], kinds))

    return installed


@needs_a_backend
def test_plugins_callback_is_notified_and_cannot_stop_the_training(train, install):
    recorder, broken, notices = Recorder(), raising("on_log", OSError("no network")), []
    install(works=lambda: recorder, fails=lambda: broken)

    run = train(notice=notices.append)

    assert run.record.state == "finished"
    names = [name for name, *_ in recorder.events]
    assert (names[0], names[-1]) == ("on_train_start", "on_train_end")
    assert names.count("on_step_end") == 4
    assert notices == [
        "The callback 'acme/fails' of acme-gans: on_log raised OSError: no network; the callback "
        "is muted for the rest of this training."
    ]


def test_each_training_makes_new_callbacks(install):
    class Counter(Callback):
        created = 0

        def __init__(self):
            Counter.created += 1

    install(counter=Counter)

    load_callbacks(print)
    load_callbacks(print)

    assert Counter.created == 2


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: object(), "TypeError: acme_plugin:broken is no gandem.Callback."),
        (SimpleNamespace(), "TypeError: 'types.SimpleNamespace' object is not callable"),
    ],
    ids=["raises", "another type", "not callable"],
)
def test_callback_that_cannot_be_made_is_reported_and_skipped(install, target, problem):
    notices = []
    install(broken=target)

    callbacks = load_callbacks(notices.append)

    assert len(callbacks) == len(registry().entries("callbacks"))
    assert notices == [f"The callback 'acme/broken' of acme-gans could not be created: {problem}"]


def test_callback_whose_requirements_are_missing_is_skipped_in_silence(install, monkeypatch):
    notices = []
    install(broken=lambda: 1 / 0)
    monkeypatch.setattr(module, "is_installed", lambda entry: entry.provider == "gandem")

    load_callbacks(notices.append)

    assert notices == []


def test_own_callbacks_are_entries_of_the_registry():
    entries = [entry.id for entry in registry().entries("callbacks")]

    assert entries == ["checkpoints", "curves", "diagnostics", "evaluation"]
