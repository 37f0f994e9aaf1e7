"""What a comparison prints while it runs: lines, or a table on a terminal."""

import io
import sys

import pytest
from support.comparisons import finish, grid_of

from gandem.compare import Table, plan
from gandem.compare.report import progress_table
from gandem.core.runs.run_dir import lock_run_dir as hold


@pytest.fixture
def clock(monkeypatch):
    """The time in seconds, in a list of one."""
    now = [1000.0]
    monkeypatch.setattr(progress_table.time, "monotonic", lambda: now[0])
    return now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def made(tmp_path):
    """A comparison of six cells, of which the first is running, two are done, and one failed."""
    made = plan(tmp_path / "out", grid_of())
    running, _, done, diverged, *_ = made.cells()
    finish(made, running, state="running")
    finish(made, done)
    finish(made, diverged, state="diverged")
    return made


def problems(made):
    return {made.cells()[5].folder: "out of memory [/x]"}


def test_lines_say_how_far_a_comparison_is(made, clock, capsys):
    table = Table()
    clock[0] += progress_table.EVERY
    running = made.cells()[0]

    with hold(made.folder(running)):
        table.show(made, problems(made))

    assert capsys.readouterr().err == (
        "3 of 6 trainings, 0 of 3 walks side by side; mlp-gan_torch_seed0 40/40\n"
    )


def test_a_line_is_printed_every_ten_seconds_and_only_when_something_has_changed(
    made, clock, capsys
):
    table = Table()

    table.show(made, {})
    assert capsys.readouterr().err == ""
    clock[0] += progress_table.EVERY
    table.show(made, {})
    assert capsys.readouterr().err.startswith("2 of 6 trainings")
    clock[0] += progress_table.EVERY
    table.show(made, {})
    assert capsys.readouterr().err == ""
    finish(made, made.cells()[1])
    clock[0] += 0.5 * progress_table.EVERY
    table.show(made, {})
    assert capsys.readouterr().err.startswith("3 of 6 trainings")
    finish(made, made.cells()[4])
    table.show(made, {})
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_the_work_done_since_the_start(tmp_path, clock, capsys):
    made = plan(tmp_path / "out", grid_of(backends=("torch",)))
    finish(made, made.cells()[0])
    table = Table()
    clock[0] += progress_table.EVERY
    table.show(made, {})
    capsys.readouterr()

    finish(made, made.cells()[1])
    clock[0] += 30 - progress_table.EVERY
    table.show(made, {})

    assert capsys.readouterr().err == "2 of 3 trainings, about 30 s left\n"


def test_a_quiet_comparison_prints_nothing(made, clock, capsys):
    clock[0] += progress_table.EVERY

    Table(quiet=True).show(made, {})

    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_a_table_of_all_cells(made, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")

    with Table() as table:
        table.show(made, problems(made))
        table.live.refresh()

    printed = terminal.getvalue()
    assert table.live.get_renderable().row_count == 6
    for words in ("3 of 6 trainings", "mlp-gan_torch_seed0", "out of memory [/x]", "40/40"):
        assert words in printed
    assert printed.index("diverged") < printed.index("waiting") < printed.index("done")


def test_a_table_of_many_cells_ends_with_their_number(tmp_path, monkeypatch):
    made = plan(tmp_path / "out", grid_of(seeds=tuple(range(15))))
    monkeypatch.setattr(sys, "stderr", Terminal())

    with Table() as table:
        table.show(made, {})

    shown = table.live.get_renderable()
    assert shown.row_count == progress_table.SHOWN + 1
    assert [*shown.columns[0].cells][-1] == "… and 10 more"
