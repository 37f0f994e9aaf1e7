"""What a comparison prints while it runs: lines, or a table on a terminal."""

import io
import sys

import pytest
from support.comparisons import make_grid, write_run

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
    comparison = plan(tmp_path / "out", make_grid())
    running, _, done, diverged, *_ = comparison.cells()
    write_run(comparison, running, state="running")
    write_run(comparison, done)
    write_run(comparison, diverged, state="diverged")
    return comparison


def problems(made):
    return {made.cells()[5].folder: "out of memory [/x]"}


def test_lines_say_how_far_a_comparison_is(made, clock, capsys):
    table = Table()
    clock[0] += progress_table.LINE_INTERVAL
    running = made.cells()[0]

    with hold(made.folder(running)):
        table.show(made, problems(made))

    assert capsys.readouterr().err == (
        "3 of 6 runs, 0 of 3 trajectories; mlp-gan_torch_seed0 40/40\n"
    )


def test_a_line_is_printed_every_ten_seconds_and_only_when_something_has_changed(
    made, clock, capsys
):
    table = Table()

    table.show(made, {})
    assert capsys.readouterr().err == ""
    clock[0] += progress_table.LINE_INTERVAL
    table.show(made, {})
    assert capsys.readouterr().err.startswith("2 of 6 runs")
    clock[0] += progress_table.LINE_INTERVAL
    table.show(made, {})
    assert capsys.readouterr().err == ""
    write_run(made, made.cells()[1])
    clock[0] += 0.5 * progress_table.LINE_INTERVAL
    table.show(made, {})
    assert capsys.readouterr().err.startswith("3 of 6 runs")
    write_run(made, made.cells()[4])
    table.show(made, {})
    assert capsys.readouterr().err == ""


def test_the_time_left_is_that_of_the_work_done_since_the_start(tmp_path, clock, capsys):
    comparison = plan(tmp_path / "out", make_grid(backends=("torch",)))
    write_run(comparison, comparison.cells()[0])
    table = Table()
    clock[0] += progress_table.LINE_INTERVAL
    table.show(comparison, {})
    capsys.readouterr()

    write_run(comparison, comparison.cells()[1])
    clock[0] += 30 - progress_table.LINE_INTERVAL
    table.show(comparison, {})

    assert capsys.readouterr().err == "2 of 3 runs, about 30 s left\n"


def test_a_quiet_comparison_prints_nothing(made, clock, capsys):
    clock[0] += progress_table.LINE_INTERVAL

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
    for words in ("3 of 6 runs", "mlp-gan_torch_seed0", "out of memory [/x]", "40/40"):
        assert words in printed
    assert printed.index("diverged") < printed.index("waiting") < printed.index("done")


def test_a_table_of_many_cells_ends_with_their_number(tmp_path, monkeypatch):
    comparison = plan(tmp_path / "out", make_grid(seeds=tuple(range(15))))
    monkeypatch.setattr(sys, "stderr", Terminal())

    with Table() as table:
        table.show(comparison, {})

    shown = table.live.get_renderable()
    assert shown.row_count == progress_table.MAX_ROWS + 1
    assert [*shown.columns[0].cells][-1] == "… and 10 more"
