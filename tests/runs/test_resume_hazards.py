"""Resuming despite full and read-only disks, other processes, damaged files, Ctrl-C and moved runs:
nothing is lost, and a run that finishes is bit for bit an undisturbed one.
"""

import errno
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from support.commands import LINE, THERE, TINY, refused, said, tiny
from support.forks import Forks, Trap, outcome

import gandem as public
from gandem.core import files
from gandem.core.errors import RunError
from gandem.core.runs import Progress, read_checkpoint

if "torch" not in THERE or not hasattr(os, "fork"):
    pytest.skip("needs PyTorch, and processes that fork", allow_module_level=True)

STEPS = {"steps": 12, "checkpoint_steps": 2, "log_every": 1}
"""Of every training here: checkpoints at 2, 3, 4, 6, 8, 9, 10 and 12, the newest three kept."""
ROOM = 8000
"""Bytes: enough for any file of these runs but a checkpoint."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Train on one thread in this process, as forks do: the number of threads changes last bits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def forks():
    return Forks.shared()


@pytest.fixture(scope="module")
def training(data):
    """The arguments of a training."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in STEPS.items()]
    return (*tiny(), "--data", data, *options, "--out", "run")


@pytest.fixture(scope="module")
def undisturbed(forks, training, tmp_path_factory):
    """The outcome of an undisturbed training."""
    cwd = tmp_path_factory.mktemp("undisturbed")
    assert forks.run(*training, cwd=cwd).code == 0
    return outcome(cwd / "run")


@pytest.fixture(scope="module")
def wreck(forks, training, tmp_path_factory):
    """A run that was killed while it kept step 8; it has checkpoints of steps 3, 4 and 6."""
    cwd = tmp_path_factory.mktemp("wreck")
    done = forks.run(*training, cwd=cwd, trap=Trap("rename checkpoints/step-000008"))
    assert done.code == -signal.SIGKILL
    return cwd / "run"


@pytest.fixture
def run(wreck, tmp_path):
    """A copy of the wreck."""
    return Path(shutil.copytree(wreck, tmp_path / "run"))


def contents(folder: Path) -> dict[str, object]:
    """Return everything in a folder, byte for byte."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if path.name != ".lock"
    }


def resumed(forks: Forks, run: Path, *options: object, note: str = "") -> dict[str, object]:
    """Resume a run to its end, which says no more than a note; return the outcome."""
    done = forks.run("resume", run.name, *options, cwd=run.parent)
    assert (done.code, done.stderr) == (0, note)
    return outcome(run)


def states(folder: Path) -> list[str]:
    """Return the states of the runs in a folder, as the command lists them."""
    return [row["state"] for row in json.loads(said("runs", folder, "--json"))["runs"]]


# --- full disks ----------------------------------------------------------------------------------


def test_a_disk_that_is_full_at_a_checkpoint_costs_what_came_after_the_one_before(
    forks, training, undisturbed, tmp_path
):
    run = tmp_path / "run"
    for arguments, step, missing in ((training, 2, 3), (("resume", "run"), 8, 9)):
        trap = Trap(f"rename checkpoints/step-{step:06d}", "starve", ROOM)

        done = forks.run(*arguments, cwd=tmp_path, trap=trap)

        place = f"run/checkpoints/step-{missing:06d}.safetensors"
        assert done.stderr == f"Error: {place}: cannot be written (File too large).\n"
        assert (done.code, done.stdout) == (1, "")
        assert json.loads((run / "run.json").read_text())["state"] == "failed"
        assert states(tmp_path) == ["failed"]
        assert not list(run.rglob("*.part"))
        kept = public.open_run(run).checkpoints()
        assert [read_checkpoint(path).step for path in kept][-1] == step
    assert resumed(forks, run) == undisturbed


def test_a_disk_that_is_full_at_a_line_of_the_log_leaves_no_half_line(
    forks, training, undisturbed, tmp_path
):
    done = forks.run(*training, cwd=tmp_path, trap=Trap("append log.jsonl", "starve", 300))

    assert done.stderr == "Error: run/log.jsonl: cannot be written (File too large).\n"
    assert (done.code, done.stdout) == (1, "")
    (row,) = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert json.loads(row)["step"] == 1
    assert states(tmp_path) == ["interrupted"], "there was no room to say that it failed"
    note = "run: it has no checkpoint yet; starting again at step 0.\n"
    assert resumed(forks, tmp_path / "run", note=note) == undisturbed


def test_a_disk_that_is_full_before_a_run_goes_on_costs_nothing(forks, undisturbed, run):
    before = contents(run)

    done = forks.run("resume", "run", cwd=run.parent, trap=Trap("open .lock", "starve", 100))

    assert done.stderr == "Error: run/log.jsonl: cannot be written (File too large).\n"
    assert (done.code, done.stdout) == (1, "")
    after = contents(run)
    assert {name for name in before if before[name] != after.get(name)} == {
        name for name in before if name.endswith(".part")
    }
    assert resumed(forks, run) == undisturbed


@pytest.mark.parametrize("place", ["checkpoints", "samples", "run.json"])
@pytest.mark.parametrize(
    ("owner", "moment"), [(Path, "write_bytes"), (files, "flush_file"), (Path, "replace")]
)
def test_a_file_the_disk_has_no_room_for_ends_the_training_in_one_error(
    forks, undisturbed, data, tmp_path, monkeypatch, place, owner, moment
):
    run, full = tmp_path / "run", threading.Event()
    real = getattr(owner, moment)

    def refuse(path, *arguments):
        """Fail once, when it is that file's turn."""
        folder = run if place == "run.json" else run / place
        if full.is_set() and path.parent == folder and path.suffix == ".part":
            full.clear()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return real(path, *arguments)

    monkeypatch.setattr(owner, moment, refuse)

    with pytest.raises(RunError, match=r"^[^\n]+: cannot be written \(No space left on device\)"):
        public.train(
            "dcgan",
            **STEPS,
            backend="torch",
            changes=TINY["dcgan"],
            data=data,
            out=run,
            progress=lambda at: full.set() if at.step == 4 else None,
        )

    assert public.open_run(run).record.state == "failed"
    assert not list(run.rglob("*.part"))
    assert resumed(forks, run) == undisturbed


def test_a_training_that_cannot_say_that_it_has_finished_is_an_error(undisturbed, run, monkeypatch):
    real = Path.write_bytes

    def refuse(path, data):
        if b'"state": "finished"' in data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", refuse)
        words = refused("resume", run)

    assert words == f"{run / 'run.json'}: cannot be written (No space left on device)."
    assert states(run.parent) == ["interrupted"]
    said("resume", run)
    assert outcome(run) == undisturbed


def test_a_real_disk_that_was_full_and_has_room_again(forks, training, undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=72k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a disk")
    try:
        done = forks.run(*training, "--keep-last", 0, cwd=disk)
        assert LINE.fullmatch(done.stderr), done.stderr
        assert "(No space left on device)" in done.stderr
        assert not list(disk.rglob("*.part"))

        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        after = resumed(forks, disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)

    assert after["log"] == undisturbed["log"]
    assert undisturbed["files"].items() <= after["files"].items()


# --- disks that are only read --------------------------------------------------------------------


@pytest.fixture
def read_only():
    """Return a function that lets nobody write into a folder, until the test is over."""
    locked = []

    def lock(folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            locked.append((path, stat.S_IMODE(path.stat().st_mode)))
        for path, mode in reversed(locked):
            path.chmod(mode & ~0o222)

    yield lock
    for path, mode in locked:
        path.chmod(mode)


def test_a_run_that_can_only_be_read_is_refused_in_one_line_and_left_alone(forks, run, read_only):
    read_only(run)
    before = contents(run)

    done = forks.run("resume", "run", cwd=run.parent, humble=True)

    assert (done.code, done.stdout) == (1, "")
    assert done.stderr == "Error: run: cannot be written (Permission denied).\n"
    assert contents(run) == before


def test_a_run_that_can_only_be_read_can_be_looked_at_and_generated_from(forks, run, read_only):
    read_only(run)
    before = contents(run)

    for arguments in (["generate", "run", "-o", "grid.png"], ["show", "run"], ["runs", "."]):
        done = forks.run(*arguments, cwd=run.parent, humble=True)
        assert (done.code, done.stderr) == (0, ""), arguments
    assert (run.parent / "grid.png").exists()
    assert contents(run) == before


def test_a_checkpoint_nobody_may_read_is_not_passed_over(forks, run):
    newest = run / "checkpoints" / "step-000006.safetensors"
    newest.chmod(0)
    try:
        done = forks.run("resume", "run", cwd=run.parent, humble=True)
    finally:
        newest.chmod(0o644)

    assert done.code == 1
    assert done.stderr == (
        "Error: run/checkpoints/step-000006.safetensors: cannot be read (Permission denied).\n"
    )


# --- two at once ---------------------------------------------------------------------------------


def test_while_one_process_goes_on_with_a_run_no_other_does(
    forks, training, undisturbed, run, tmp_path
):
    first = forks.start("resume", "run", cwd=tmp_path, trap=Trap("rename log.jsonl", "halt"))
    first.until_halted()
    before = contents(run)

    second = forks.run("resume", "run", cwd=tmp_path)
    anew = forks.run(*training, cwd=tmp_path)

    assert (second.code, second.stdout) == (1, "")
    assert second.stderr == (
        "Error: run: another process is training this run; wait for it, or stop it.\n"
    )
    assert (anew.code, anew.stdout) == (1, "")
    assert anew.stderr == (
        "Error: run: it exists and is not an empty folder; choose another --out.\n"
    )
    assert states(tmp_path) == ["running"]
    said("generate", run, "-o", tmp_path / "grid.png")
    assert contents(run) == before
    first.signal(signal.SIGCONT)
    assert first.ended().code == 0
    assert outcome(run) == undisturbed


def test_two_trainings_cannot_begin_in_one_folder(forks, training, undisturbed, tmp_path):
    first = forks.start(*training, cwd=tmp_path, trap=Trap("rename spec.toml", "halt"))
    first.until_halted()

    second = forks.run(*training, cwd=tmp_path)

    assert (second.code, second.stdout) == (1, "")
    assert LINE.fullmatch(second.stderr), second.stderr
    assert "another process" in second.stderr
    first.signal(signal.SIGCONT)
    assert first.ended().code == 0
    assert outcome(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("_", range(3))
def test_of_many_that_go_on_with_a_run_at_once_one_does(forks, undisturbed, run, _):
    together = [forks.start("resume", "run", cwd=run.parent) for _ in range(4)]

    for one in together:
        done = one.ended()
        if done.code == 1:
            assert "another process is training this run" in done.stderr
        else:  # it trained, or came when nothing was left to do
            assert (done.code, done.stderr) == (0, "")
    assert len(public.open_run(run).record.segments) == 2
    assert outcome(run) == undisturbed


def test_a_process_that_was_killed_holds_nothing(forks, undisturbed, run):
    held = forks.start("resume", "run", cwd=run.parent, trap=Trap("step-000010", "halt"))
    held.until_halted()
    assert states(run.parent) == ["running"]
    held.signal(signal.SIGKILL)
    assert held.ended().code == -signal.SIGKILL

    assert states(run.parent) == ["interrupted"]
    assert resumed(forks, run) == undisturbed


def test_asking_for_the_state_of_a_training_does_not_disturb_it(forks, undisturbed, run):
    training = forks.start("resume", "run", cwd=run.parent, trap=Trap())
    seen = set()

    def is_over():
        seen.update(states(run.parent))
        return training.is_over()

    training.until(is_over)

    assert training.ended().code == 0
    assert seen <= {"interrupted", "running", "finished"}
    assert outcome(run) == undisturbed


def test_within_one_process_only_one_thread_goes_on_with_a_run(undisturbed, run, monkeypatch):
    monkeypatch.setattr("gandem.core.runs.run_dir.LOCK_TIMEOUT", 0.1)
    complaints = []

    def again() -> None:
        with pytest.raises(RunError) as caught:
            public.resume(run)
        complaints.append(str(caught.value))

    def too_many(at: Progress) -> None:
        if at.step == 9:
            again()
            with ThreadPoolExecutor(1) as pool:
                pool.submit(again).result()

    public.resume(run, progress=too_many)

    words = f"{run}: another process is training this run; wait for it, or stop it."
    assert complaints == [words, words]
    assert outcome(run) == undisturbed


@pytest.mark.parametrize("left", ["", "8421\nanother.machine\n"])
def test_a_lock_file_that_somebody_has_left_is_no_obstacle(forks, undisturbed, run, left):
    (run / ".lock").write_text(left)
    before = undisturbed["files"].copy()
    del before[".lock"]

    after = resumed(forks, run)

    del after["files"][".lock"]
    assert after == undisturbed | {"files": before}


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link"])
def test_something_else_in_the_place_of_the_lock_is_one_line(run, tmp_path, kind):
    lock = run / ".lock"
    lock.unlink()
    (tmp_path / "elsewhere").write_text("precious")
    if kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    before = contents(run)

    words = refused("resume", run)

    assert words.startswith(f"{lock}: cannot be written (")
    assert contents(run) == before
    assert (tmp_path / "elsewhere").read_text() == "precious"
    assert len(states(tmp_path)) == 1


# --- damage --------------------------------------------------------------------------------------


def flip(path: Path, at: float) -> None:
    """Flip one bit, at a part of the file's length."""
    data = bytearray(path.read_bytes())
    data[int(at * (len(data) - 1))] ^= 1 << random.randrange(8)
    path.write_bytes(data)


DAMAGE = {
    "a bit of its first byte": lambda path: flip(path, 0),
    "a bit of its header": lambda path: flip(path, 0.1),
    "a bit of its weights": lambda path: flip(path, 0.7),
    "its last bit": lambda path: flip(path, 1),
    "its second half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "its last byte": lambda path: os.truncate(path, path.stat().st_size - 1),
    "everything": lambda path: os.truncate(path, 0),
    "every byte": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "its end, and more": lambda path: path.write_bytes(path.read_bytes() + bytes(8)),
    "its contents": lambda path: path.write_bytes(b"GIF89a, and quite another thing than that"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(forks, undisturbed, run, what):
    newest = run / "checkpoints" / "step-000006.safetensors"
    DAMAGE[what](newest)
    damaged = newest.read_bytes()

    done = forks.run("resume", "run", cwd=run.parent)

    assert done.code == 0
    assert done.stderr.startswith("run/checkpoints/step-000006.safetensors: ")
    assert done.stderr.endswith(" Resuming from step-000004.safetensors.\n")
    assert done.stderr.count("\n") == 1
    aside = newest.with_name(f"{newest.name}.damaged")
    assert aside.read_bytes() == damaged
    aside.unlink()
    assert outcome(run) == undisturbed
    assert [part.first_step for part in public.open_run(run).record.segments] == [0, 4]


def test_a_damaged_checkpoint_is_noted_in_a_program_as_a_warning(undisturbed, run):
    newest = run / "checkpoints" / "step-000006.safetensors"
    os.truncate(newest, 0)

    with pytest.warns(UserWarning, match=r"step-000006.* Resuming from step-000004") as noted:
        public.resume(run)

    assert len(noted) == 1
    (run / "checkpoints" / f"{newest.name}.damaged").unlink()
    assert outcome(run) == undisturbed


def test_of_several_damaged_checkpoints_all_are_set_aside(forks, undisturbed, run):
    for step in (4, 6):
        flip(run / "checkpoints" / f"step-{step:06d}.safetensors", 0.9)

    done = forks.run("resume", "run", cwd=run.parent)

    assert done.code == 0
    assert done.stderr.endswith(" Resuming from step-000003.safetensors.\n")
    aside = sorted((run / "checkpoints").glob("*.damaged"))
    assert [path.name[:11] for path in aside] == ["step-000004", "step-000006"]
    for path in aside:
        path.unlink()
    assert outcome(run) == undisturbed


def test_where_every_checkpoint_is_damaged_nothing_is_changed(run):
    for path in (run / "checkpoints").glob("*.safetensors"):
        flip(path, 0.9)
    before = contents(run)

    words = refused("resume", run)

    assert words.startswith(f"{run}: none of its 3 checkpoints can be read. ")
    assert contents(run) == before


def test_a_checkpoint_of_a_newer_format_is_refused_and_not_passed_over(run):
    newest = run / "checkpoints" / "step-000006.safetensors"
    with safe_open(newest, framework="numpy") as file:
        header = json.loads(file.metadata()["gandem"])
    arrays = load_file(newest)
    save_file(arrays, newest, metadata={"gandem": json.dumps(header | {"format": 2})})
    before = contents(run)

    words = refused("resume", run)

    assert words == f"{newest}: written by a newer gandem, format 2; upgrade gandem."
    assert contents(run) == before


# --- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_resumed_training_that_is_interrupted_can_be_resumed_again(
    forks, undisturbed, run, number
):
    training = forks.start("resume", "run", cwd=run.parent, trap=Trap("append", "halt"))
    training.until_halted()
    training.signal(number)
    training.signal(signal.SIGCONT)

    done = training.ended()

    assert (done.code, done.stderr) == (130, "")
    opened = public.open_run(run)
    assert opened.record.state == "interrupted"
    assert opened.checkpoint().step == opened.record.steps == opened.log()[-1]["step"]
    after = resumed(forks, run)
    more = {f"samples/step-{opened.record.steps:06d}.png"}  # of the moment it was interrupted
    assert after["files"].keys() - undisturbed["files"].keys() <= more
    after["files"] = {name: after["files"][name] for name in undisturbed["files"]}
    assert after == undisturbed


def test_a_resumed_training_that_is_interrupted_twice_keeps_its_checkpoints(
    forks, undisturbed, run
):
    training = forks.start("resume", "run", cwd=run.parent, trap=Trap("step-000009", "halt"))
    training.until_halted()
    training.signal(signal.SIGINT)
    training.signal(signal.SIGTERM)
    training.signal(signal.SIGCONT)

    done = training.ended()

    assert (done.code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
    assert states(run.parent) == ["interrupted"]
    assert public.open_run(run).checkpoint().step >= 9
    assert not list(run.rglob("*.part"))
    assert resumed(forks, run) == undisturbed


# --- elsewhere -----------------------------------------------------------------------------------


def test_a_run_that_was_moved_goes_on_from_anywhere(forks, undisturbed, run, tmp_path):
    place = tmp_path / "another disk" / "ein anderer Name"
    place.parent.mkdir()
    shutil.move(run, place)

    done = forks.run("resume", place, cwd=Path("/"))

    assert (done.code, done.stderr) == (0, "")
    assert outcome(place) == undisturbed


def test_a_run_that_was_copied_without_its_times_goes_on(forks, undisturbed, run):
    for second, path in enumerate(sorted(run.rglob("*"), reverse=True)):
        os.utime(path, (second, second))

    assert resumed(forks, run) == undisturbed
    assert public.open_run(run).samples()[-1].name == "epoch-0004.png"


def test_data_given_by_a_relative_path_is_found_again_with_the_option(forks, data, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    shutil.copy(data.partition(":")[2], here / "tiny.npz")
    options = ("--data", "npz:tiny.npz", "--steps", 4, "--checkpoint-steps", 2, "--out", "run")
    trap = Trap("write checkpoints/", "halt")
    done = forks.start(*tiny(), *options, cwd=here, trap=trap)
    done.until_halted()
    done.signal(signal.SIGKILL)
    done.ended()
    run = here / "run"

    lost = forks.run("resume", run, cwd=there)
    result = forks.run("resume", run, "--data", f"npz:{here / 'tiny.npz'}", cwd=there)

    assert (lost.code, lost.stdout) == (1, "")
    assert LINE.fullmatch(lost.stderr), lost.stderr
    assert "tiny.npz" in lost.stderr
    assert "--data" in lost.stderr
    assert result.code == 0, result.stderr
    assert public.open_run(run).record.state == "finished"
