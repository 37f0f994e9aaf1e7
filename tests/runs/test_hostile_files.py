"""Untrusted files: a damaged or forged checkpoint, run.json or spec.toml is read correctly or is
refused in one line, and no code in it is run.
"""

import ast
import json
import math
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.commands import LINE, gandem, refused
from support.mutations import BELL, RED, SPEC, Change, CheckpointBytes, apply, make_checkpoint, pack

from gandem import open_run
from gandem.cli import main
from gandem.commands.run_summaries import find_runs
from gandem.core.errors import GandemError, RunError
from gandem.core.runs import read_checkpoint
from gandem.core.runs.checkpoint import DamagedError
from gandem.core.runs.resume_point import trim_log
from gandem.core.specs import change, differences, from_data, to_toml
from gandem.core.training import state_shapes

ROOT = Path(__file__).parents[2]
KERNEL, BIAS = "generator/dense/kernel", "discriminator/dense/bias"
MAX_LENGTH = 600
"""Characters of an error message."""


@pytest.fixture(autouse=True)
def _time_limit():
    """Fail a test that hangs."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(*_: object) -> None:
        pytest.fail("it hangs")  # not an exception that the code under test catches

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("kept"), 6)


def try_call(function: Callable[..., Any], *arguments: object) -> tuple[Any, str]:
    """Return the result of a call, and its error message on one line if it raises one."""
    try:
        return function(*arguments), ""
    except GandemError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < MAX_LENGTH
    return None, message


def refusal(path: Path) -> str:
    """Return the error message for a file that is not a valid checkpoint, without its path."""
    with pytest.raises(RunError):
        read_checkpoint(path)
    _, message = try_call(read_checkpoint, path)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.safetensors"


# --- bytes ---------------------------------------------------------------------------------------


def flip(raw: bytes, place: int, bit: int = 0) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]


BYTES = {
    "empty": lambda k: b"",
    "seven bytes": lambda k: k.raw[:7],
    "the length alone": lambda k: k.raw[:8],
    "half of the header": lambda k: k.raw[: k.size // 2],
    "the header without its last byte": lambda k: k.raw[: 7 + k.size],
    "the header alone": lambda k: k.raw[: 8 + k.size],
    "without the last byte": lambda k: k.raw[:-1],
    "with one byte more": lambda k: k.raw + b"\0",
    "twice": lambda k: k.raw + k.raw,
    "zeros": lambda k: bytes(len(k.raw)),
    "ones": lambda k: b"\xff" * len(k.raw),
    "text": lambda k: b"Dear gandem, please generate." * 99,
    "a header of no bytes": lambda k: bytes(8) + k.raw[8:],
    "a header of 2**62 bytes": lambda k: (2**62).to_bytes(8, "little") + k.raw[8:],
    "a header of 2**64 - 1 bytes": lambda k: b"\xff" * 8 + k.raw[8:],
    "a header longer than the file": lambda k: len(k.raw).to_bytes(8, "little") + k.raw[8:],
    "a header to the end of the file": lambda k: (len(k.raw) - 8).to_bytes(8, "little") + k.raw[8:],
    "a header one byte short": lambda k: (k.size - 1).to_bytes(8, "little") + k.raw[8:],
    "a bit flipped in the length": lambda k: flip(k.raw, 1),
    "a bit flipped in an array's name": lambda k: flip(k.raw, k.raw.index(b"dense/bias")),
    "a bit flipped in the spec": lambda k: flip(k.raw, k.raw.index(b"0.03") + 3),
    "a bit flipped in the seal": lambda k: flip(k.raw, k.raw.index(b"sha256") + 14),
    "a bit flipped in the first array": lambda k: flip(k.raw, 8 + k.size),
    "a bit flipped in the last array": lambda k: flip(k.raw, len(k.raw) - 1, 7),
    "not UTF-8": lambda k: pack(b'{"\xff\xfe": 1}', k.body),
    "a pickle": lambda k: pickle.dumps(list(range(99))),
    "a pickle of PyTorch's": lambda k: b"PK\x03\x04" + bytes(99),
}


@pytest.mark.parametrize("case", BYTES)
def test_changed_bytes_are_damage(kept, path, case):
    path.write_bytes(BYTES[case](kept))

    refusal(path)

    with pytest.raises(DamagedError):
        read_checkpoint(path)


def test_a_pickle_named_as_a_checkpoint_is_not_run(tmp_path, path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    path.write_bytes(pickle.dumps(Trap()))

    refusal(path)

    assert not (tmp_path / "sprung").exists()


# --- safetensors' table --------------------------------------------------------------------------


def entry(**changes: object) -> Change:
    """Return an attack that changes the entry of an array in the table."""
    return lambda table: table[KERNEL].update(changes)


def renamed(name: str) -> Change:
    return lambda table: table.update({name: table.pop(KERNEL)})


def extra(name: str, count: int = 1) -> Change:
    """Return an attack that adds empty arrays, which take no space."""

    def attack(table: dict) -> None:
        end = max(part["data_offsets"][1] for key, part in table.items() if key[0] != "_")
        for number in range(count):
            key = name if count == 1 else f"{name}{number}"
            table[key] = {"dtype": "F32", "shape": [0], "data_offsets": [end, end]}

    return attack


DAMAGE = "not a checkpoint of gandem, or damaged"
TABLE = {
    "a type of the right size": (entry(dtype="I32"), "expected float32 or float64, received 'I32'"),
    "a type of another size": (entry(dtype="F64"), DAMAGE),
    "an unknown type": (entry(dtype="Q7"), DAMAGE),
    "a type with an escape sequence": (entry(dtype=f"{RED}F32"), DAMAGE),
    "a type that is a number": (entry(dtype=32), DAMAGE),
    "a transposed shape": (entry(shape=[16, 4]), r"shape \(16, 4\), spec expects \(4, 16\)"),
    "a shape of one axis": (entry(shape=[64]), r"shape \(64,\), spec expects"),
    "a shape of 20,000 axes": (entry(shape=[1] * 20_000 + [64]), r"shape \(1, 1, .*…, spec"),
    "a shape of no numbers": (entry(shape=[0]), DAMAGE),
    "a negative shape": (entry(shape=[-4, -16]), DAMAGE),
    "a shape that overflows": (entry(shape=[2**63, 2**63]), DAMAGE),
    "a shape beyond 64 bits": (entry(shape=[2**64]), DAMAGE),
    "a shape that is a text": (entry(shape="4x16"), DAMAGE),
    "offsets of another array": (entry(data_offsets=[0, 8]), DAMAGE),
    "offsets of nothing": (entry(data_offsets=[1728, 1728]), DAMAGE),
    "offsets that overlap": (entry(data_offsets=[1727, 1983]), DAMAGE),
    "offsets backwards": (entry(data_offsets=[1984, 1728]), DAMAGE),
    "offsets outside of the file": (entry(data_offsets=[1728, 2**62]), DAMAGE),
    "offsets below zero": (entry(data_offsets=[-256, 0]), DAMAGE),
    "three offsets": (entry(data_offsets=[1728, 1800, 1984]), DAMAGE),
    "no offsets": (lambda table: table[KERNEL].pop("data_offsets"), DAMAGE),
    "an array that is a number": (lambda table: table.update({KERNEL: 7}), DAMAGE),
    "an array left out": (lambda table: table.pop(KERNEL), DAMAGE),
    "an array too many": (extra("generator/thesis"), "which the spec does not know"),
    "10,000 arrays too many": (extra("z", 10_000), "'z0': the checkpoint has this array"),
    "an array of another name": (
        renamed("generator/dense/kernl"),
        "the checkpoint lacks this array",
    ),
    "a name on two lines": (extra("generator\n/dense"), r"'generator\\n/dense'"),
    "a name with an escape sequence": (extra(f"{RED}x{BELL}"), r"'\\x1b\[31mx\\x07'"),
    "a long name": (extra("x" * 1_000_000), "'xxx.*…: the checkpoint has this array"),
    "an empty name": (extra(""), "'': the checkpoint has this array"),
    "a name with a relative path": (extra("../../etc/passwd"), "which the spec does not know"),
    "metadata that is a list": (lambda table: table.update(__metadata__=[1]), DAMAGE),
    "metadata of numbers": (lambda table: table.update(__metadata__={"gandem": 1}), DAMAGE),
}


@pytest.mark.parametrize("case", TABLE)
def test_a_table_that_does_not_fit_the_spec_is_refused(kept, path, case):
    attack, message = TABLE[case]
    path.write_bytes(kept.with_table(attack))

    assert re.search(message, refusal(path))


BITS = {"F32": 32, "F16": 16, "BF16": 16, "F64": 64, "I32": 32, "I64": 64, "U8": 8, "BOOL": 8}
BITS |= {"C64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4}


@pytest.mark.parametrize("dtype", [name for name in BITS if name != "F32"])
@pytest.mark.parametrize("which", [BIAS, "/"], ids=["one array", "all arrays"])
def test_numbers_of_another_type_are_refused(kept, path, dtype, which):
    table, end = kept.table, 0
    del table["__metadata__"]
    for name, part in table.items():
        if which in name and not name.endswith("/updates"):
            part["dtype"] = dtype
        bits = math.prod(part["shape"]) * BITS[part["dtype"]]
        part["data_offsets"] = [end, end := end + bits // 8]
    path.write_bytes(pack(kept.table | table, bytes(end)))

    message = rf"expected float32(, | or float64, )received '?{dtype}|{DAMAGE}"
    message += r"|its bytes are not those" * (dtype == "F64" and which == "/")  # valid
    for name, known in {"F64": "(F64|float64)", "I64": "int64", "F16": "(F16|float16)"}.items():
        message = message.replace(name, known)
    assert re.search(message, refusal(path))


# --- gandem's header -----------------------------------------------------------------------------

TEXTS = {
    "none": None,
    "empty": "",
    "prose": "Dear gandem",
    "a list": "[1, 2]",
    "a number": "7",
    "null": "null",
    "not a number": "NaN",
    "an empty object": "{}",
    "half of an object": '{"format": 1, ',
    "lists 100,000 deep": "[" * 100_000 + "]" * 100_000,
    "objects 100,000 deep": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a number of 5,000 digits": f'{{"format": {"9" * 5000}}}',
    "a format of 4,000 digits": f'{{"format": {"9" * 4000}}}',
    "half of a surrogate pair": '{"format": "\\ud800"}',
    "two lines": '{\n"format"\n:\n7\n}',
    "a bell": BELL,
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_header_of_other_text_is_refused(kept, path, case):
    path.write_bytes(kept.with_text(TEXTS[case]))

    refusal(path)


def test_a_header_nested_near_the_recursion_limit_is_refused(kept, path):
    text = json.dumps(kept.header)[:-1]
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 10):
        path.write_bytes(kept.with_text(f'{text}, "more": {"[" * depth}{"]" * depth}}}'))
        refusal(path)


def test_the_last_of_two_equal_keys_must_match_the_hash(kept, path):
    text = json.dumps(kept.header)[:-1]
    path.write_bytes(kept.with_text(f'{text}, "step": 7}}'))
    message = refusal(path)

    path.write_bytes(kept.with_text(f'{text}, "step": 6}}'))
    checkpoint = read_checkpoint(path)

    assert message == "damaged; its bytes are not those that were written."
    assert checkpoint.step == 6


def first(player: int, **changes: object) -> Change:
    """Return an attack on the first layer of a player."""
    return lambda header: header["spec"]["players"][player]["layers"][0].update(changes)


def more(count: int, layer: dict) -> Change:
    """Return an attack that puts layers before the discriminator's last."""

    def attack(header: dict) -> None:
        header["spec"]["players"][1]["layers"][-1:-1] = [layer] * count

    return attack


def nested(depth: int, name: str | None = None) -> Change:
    """Return an attack with blocks within blocks."""
    layer: dict = {"kind": "dense", "units": 1}
    for _ in range(depth):
        layer = {"kind": "residual", "layers": [layer]} | ({"name": name} if name else {})
    return lambda header: header["spec"]["players"][1]["layers"].append(layer)


def spec(**changes: object) -> Change:
    return lambda header: header["spec"].update(changes)


def fields(**changes: object) -> Change:
    return lambda header: header.update(changes)


UPGRADE = "written by a newer gandem"
HEADERS = {
    "a newer format": (fields(format=2), f"{UPGRADE}, format 2; upgrade gandem"),
    "a format of the far future": (
        fields(format=10**200),
        f"{UPGRADE}, format 1000.*…; upgrade",
    ),
    "a format before the first": (
        fields(format=0),
        "its header has the format 0, which is not valid",
    ),
    "a format that is true": (
        fields(format=True),
        "its header has no 'format', or a damaged one",
    ),
    "a format that is a text": (fields(format="1"), "no 'format', or a damaged one"),
    "a step below zero": (fields(step=-1), "its header has the step -1, which is not valid"),
    "a step beyond 64 bits": (
        fields(step=10**200),
        "its header has the step 1000.*…, which is not valid",
    ),
    "a step and a half": (fields(step=6.5), "no 'step', or a damaged one"),
    "no step": (lambda header: header.pop("step"), "no 'step', or a damaged one"),
    "a seed below zero": (fields(seed=-1), "its header has the seed -1, which is not valid"),
    "a seed beyond 63 bits": (
        fields(seed=2**63),
        "its header has the seed 9223372036854775808",
    ),
    "a seed that is a list": (fields(seed=[3]), "no 'seed', or a damaged one"),
    "a metric that is no number": (
        fields(metrics={"generator": math.nan}),
        "finite numbers",
    ),
    "a metric without end": (fields(metrics={"generator": math.inf}), "finite numbers"),
    "no spec": (lambda header: header.pop("spec"), "no 'spec', or a damaged one"),
    "a spec that is a list": (fields(spec=[]), "no 'spec', or a damaged one"),
    "an empty spec": (fields(spec={}), "the spec: the fields 'name', 'image'"),
    "a newer schema": (spec(schema=2), f"{UPGRADE}, schema 2; upgrade gandem"),
    "a schema that is a text": (spec(schema=RED), r"schema: .* received '\\x1b\[31m'"),
    "a name with an escape sequence": (spec(name=RED), r"cannot be called '\\x1b\[31m'"),
    "an unknown field": (spec(**{f"{RED}\n": 1}), r"unknown field '\\x1b\[31m\\n'"),
    "an unknown field of a megabyte": (spec(**{"x" * 1_000_000: 1}), "unknown field 'xxx.*…"),
    "an unknown layer": (first(0, kind=RED), r"no layer is of kind '\\x1b\[31m'"),
    "a latent of 10**12": (spec(latent={"size": 10**12}), "latent.size: expected 1 ≤ a number"),
    "a latent of 2**31 - 1": (spec(latent={"size": 2**31 - 1}), "spec expects .2147483647, 16"),
    "2**31 - 1 units": (first(0, units=2**31 - 1), "do not fill"),
    "more units than memory": (
        more(2, {"kind": "dense", "units": 2**31 - 1}),
        "more than any machine holds",
    ),
    "wider layers": (
        first(1, filters=3),
        r"discriminator/conv2d/kernel: .* expects \(4, 4, 1, 3\)",
    ),
    "other layers": (first(1, kind="relu"), "unknown field 'bias'"),
    "a layer more": (
        more(1, {"kind": "dense", "units": 1}),
        "dense_1/kernel: the checkpoint lacks this array",
    ),
    "5,000 layers": (
        more(5000, {"kind": "dense", "units": 1}),
        "dense_1/kernel: the checkpoint lacks",
    ),
    "blocks 30 deep": (nested(30, "a" * 64), "discriminator/aaa.*…"),
    "blocks 50 deep": (nested(50), "nested too deeply|nested more than"),
    "blocks 300 deep": (nested(300), "it is nested too deeply"),
    "a shape of 100,000 axes": (
        more(1, {"kind": "reshape", "shape": [1] * 100_000}),
        r"a shape is .* received \[1, 1, .*…",
    ),
    "padding of 200 digits": (first(1, padding=[[-(10**200)] * 2] * 2), "padding"),
    "a rate that is no number": (
        lambda header: header["spec"]["players"][0]["optimizer"].update(learning_rate=math.nan),
        "expected finite numbers, received NaN",
    ),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_with_a_valid_hash_and_a_wrong_field_is_refused(kept, path, case):
    attack, message = HEADERS[case]
    path.write_bytes(kept.sealed(header=attack))

    assert re.search(message, refusal(path))


@pytest.mark.parametrize("case", [case for case in HEADERS if UPGRADE in HEADERS[case][1]])
def test_a_file_of_a_newer_gandem_is_not_called_damaged(kept, path, case):
    path.write_bytes(kept.sealed(header=HEADERS[case][0]))

    with pytest.raises(RunError) as caught:
        read_checkpoint(path)

    assert not isinstance(caught.value, DamagedError)


# --- arrays --------------------------------------------------------------------------------------


def numbers(name: str, value: float) -> Change:
    """Return an attack that writes a number into an array."""
    return lambda arrays: arrays[name].flat.__setitem__(-1, value)


def form(name: str, turn: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda arrays: arrays.update({name: turn(arrays[name])})


def kind(name: str, dtype: str) -> Change:
    return form(name, lambda array: array.astype(dtype))


MOMENT, UPDATES = f"optimizer/{KERNEL}/second_moment", "optimizer/generator/updates"
ARRAYS = {
    "not a number": (numbers(KERNEL, math.nan), f"{KERNEL} holds numbers that are not finite"),
    "infinite": (numbers(BIAS, math.inf), f"{BIAS} holds numbers that are not finite"),
    "infinitely low": (numbers(MOMENT, -math.inf), f"{MOMENT} holds numbers that are not finite"),
    "the first of double precision": (kind(KERNEL, "f8"), "scale: expected float64, received flo"),
    "one of double precision": (kind(BIAS, "f8"), f"{BIAS}: expected float32, received float64"),
    "one of half precision": (kind(BIAS, "f2"), f"{BIAS}: expected float32, received float16"),
    "one of text numbers": (kind(BIAS, "i4"), f"{BIAS}: expected float32, received 'I32'"),
    "one of truths": (kind(BIAS, "?"), f"{BIAS}: expected float32, received 'BOOL'"),
    "updates and a half": (kind(UPDATES, "f4"), f"{UPDATES}: expected int64, received float32"),
    "updates of 32 bits": (kind(UPDATES, "i4"), f"{UPDATES}: expected int64, received 'I32'"),
    "updates in a list": (form(UPDATES, np.atleast_1d), rf"{UPDATES}: .* shape \(1,\), spec"),
    "transposed": (form(KERNEL, np.transpose), rf"{KERNEL}: checkpoint has shape \(16, 4\)"),
    "of no numbers": (form(KERNEL, lambda a: a[:0]), rf"{KERNEL}: checkpoint has shape \(0, 16\)"),
    "too long": (form(BIAS, lambda a: np.repeat(a, 9)), rf"{BIAS}: checkpoint has shape \(9,\)"),
    "missing": (lambda arrays: arrays.pop(BIAS), f"{BIAS}: the checkpoint lacks this array"),
    "too many": (
        lambda a: a.update({f"{RED}a": a[BIAS]}),
        r"'\\x1b\[31ma': the checkpoint has this array",
    ),
    "none": (lambda arrays: arrays.clear(), "the checkpoint lacks this array"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_with_a_valid_hash_that_do_not_fit_are_refused(kept, path, case):
    attack, message = ARRAYS[case]
    path.write_bytes(kept.sealed(arrays=attack))

    assert re.search(message, refusal(path))


def test_changed_arrays_with_a_valid_hash_are_read(kept, path):
    path.write_bytes(kept.sealed(fields(step=9), numbers(KERNEL, 0.5)))

    checkpoint = read_checkpoint(path)

    assert checkpoint.step == 9
    assert checkpoint.state[KERNEL][-1, -1] == 0.5


# --- other kinds of files ------------------------------------------------------------------------

ENTRIES = {
    "a link to a good one": lambda path, good: path.symlink_to(good),
    "a link to nothing": lambda path, good: path.symlink_to(path.with_name("nothing")),
    "a link to itself": lambda path, good: path.symlink_to(path),
    "a link to a device": lambda path, good: path.symlink_to("/dev/zero"),
    "a pipe without a writer": lambda path, good: os.mkfifo(path),
    "a folder": lambda path, good: path.mkdir(),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices of Unix")
@pytest.mark.parametrize("case", ENTRIES)
def test_only_a_plain_file_is_opened(kept, tmp_path, path, case):
    good = tmp_path / "good"
    good.write_bytes(kept.raw)
    ENTRIES[case](path, good)

    assert re.fullmatch(
        r"it is (a symbolic link|not a file); expected a plain file\.", refusal(path)
    )


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices of Unix")
def test_a_device_is_not_opened():
    assert refusal(Path("/dev/zero")) == "it is not a file; expected a plain file."


def test_a_file_without_read_permission_is_not_called_damaged(kept, path, monkeypatch):
    path.write_bytes(kept.raw)

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)

    assert refusal(path) == "cannot be read (Permission denied)."
    with pytest.raises(RunError) as caught:
        read_checkpoint(path)
    assert not isinstance(caught.value, DamagedError)


# --- files that are too large --------------------------------------------------------------------


def sparse_file(head: bytes, size: int) -> Callable[[Path], object]:
    """Return a function that writes a sparse file: ``head``, then a hole of ``size`` bytes."""

    def write(path: Path) -> None:
        path.write_bytes(head)
        try:
            os.truncate(path, len(head) + size)
        except OSError:
            pytest.skip("this file system has no files of that size")

    return write


def huge_checkpoint(kept: CheckpointBytes, *units: int) -> Callable[[Path], object]:
    """Return a function that writes a sparse checkpoint with layers of ``units`` units."""
    header = kept.header
    for count in units:
        more(1, {"kind": "dense", "units": count, "bias": False})(header)
    table, end = {"__metadata__": {"gandem": json.dumps(header)}}, 0
    shapes = state_shapes(from_data(header["spec"]))
    for name, shape in sorted(shapes.items(), key=lambda item: item[1] != ()):
        dtype, size = ("F32", 4) if shape else ("I64", 8)
        offsets = [end, end := end + size * math.prod(shape)]
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    return sparse_file(pack(table, b""), end)


def writes(raw: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(raw)


NO_MEMORY, LAYER = (
    "there is not enough memory|Cannot allocate memory",
    {"kind": "dense", "units": 1},
)
OVERSIZED = {
    "a terabyte of holes": (lambda k: sparse_file(k.raw, 2**40), f"{DAMAGE}|{NO_MEMORY}"),
    "a terabyte that fits the spec": (lambda k: huge_checkpoint(k, 2**20, 2**16), NO_MEMORY),
    "two gigabytes that fit the spec": (lambda k: huge_checkpoint(k, 10**7), NO_MEMORY),
    "a header of 50 MB": (
        lambda k: sparse_file((50_000_000).to_bytes(8, "little"), 60_000_000),
        "its header has 50000000 bytes",
    ),
    "nine million brackets": (lambda k: writes(k.with_text("[" * 9_000_000)), "nested too deeply"),
    "three million lists": (
        lambda k: writes(k.with_text(f"[{'[],' * 3_000_000}[]]")),
        "it has no header of gandem",
    ),
    "20,000 layers": (
        lambda k: writes(k.with_text(json.dumps(apply(more(20_000, LAYER), k.header)))),
        "dense_1/kernel: the checkpoint lacks this array",
    ),
}
CHILD = """
import resource, sys
from pathlib import Path
from gandem.core.errors import RunError
from gandem.core.runs import read_checkpoint
resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9))
try:
    read_checkpoint(Path(sys.argv[1]))
except RunError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")
@pytest.mark.parametrize("case", OVERSIZED)
def test_a_huge_file_takes_neither_memory_nor_time(kept, path, case):
    write, message = OVERSIZED[case]
    write(kept)(path)
    environment = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each thread takes memory

    done = subprocess.run(
        [sys.executable, "-c", CHILD, path],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=os.environ | environment,
    )

    assert done.stderr == ""
    assert re.fullmatch(rf"{re.escape(str(path))}: .*({message}).*\n", done.stdout)


# --- the command ---------------------------------------------------------------------------------

ON_DISK = {
    "cut short": lambda k: writes(k.raw[:5000]),
    "a flipped bit": lambda k: writes(flip(k.raw, len(k.raw) - 9)),
    "a header as deep as can be": lambda k: writes(k.with_text('{"a":' * 970 + "1" + "}" * 970)),
    "a type with an escape sequence": lambda k: writes(k.with_table(entry(dtype=f"{RED}F32"))),
    "a metric that is no number": lambda k: writes(k.sealed(fields(metrics={"x": math.nan}))),
    "blocks 30 deep": lambda k: writes(k.sealed(nested(30, "a" * 64))),
    "a newer format": lambda k: writes(k.sealed(fields(format=2))),
    "another step": lambda k: writes(k.sealed(fields(step=5))),
    "a link": lambda k: lambda path: path.symlink_to("/dev/zero"),
    "a pipe": lambda k: os.mkfifo,
    "a folder": lambda k: Path.mkdir,
}


RECORD = {
    "format": 1,
    "model": "dcgan",
    "spec_digest": "0" * 64,
    "seed": 3,
    "precision": "float32",
    "data": {"name": "digits", "digest": "1" * 64, "count": 1797, "source": "", "license": "CC0"},
    "steps_planned": 12,
    "stream": "2" * 64,
    "settings": {"backend": "torch", "data": "digits", "steps": 12, "seed": 3},
    "state": "interrupted",
    "backend": "torch",
    "device": "cpu",
    "versions": {"torch": "2.6.0", "numpy": "2.2.0"},
    "gandem": "0.1.0",
    "command": "gandem train dcgan",
    "started": "2026-11-21T20:00:00+00:00",
    "steps": 6,
    "allowed_changes": ["learning_rate"],
    "segments": [
        {
            "first_step": 0,
            "backend": "torch",
            "device": "cpu",
            "versions": {"torch": "2.6.0"},
            "command": "gandem train dcgan",
            "started": "2026-11-21T20:00:00+00:00",
            "notes": ["a damaged checkpoint was passed over"],
            "changed": {"data": ["1", "2"]},
        }
    ],
    "best": {"metric": "generator", "value": 0.5, "step": 6},
    "seconds": 1.5,
    "steps_per_second": 4.0,
    "losses": {"discriminator": 1.25, "generator": 0.5, "real_accuracy": 0.75},
}
"""A run.json with every field."""


@pytest.fixture
def untrusted_run(kept, tmp_path):
    """A run from a third party."""
    folder = tmp_path / "runs" / "untrusted_run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "step-000006.safetensors").write_bytes(kept.raw)
    (folder / "run.json").write_text(json.dumps(RECORD))
    (folder / "spec.toml").write_text(to_toml(SPEC))
    return folder


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices of Unix")
@pytest.mark.parametrize("case", ON_DISK)
def test_the_command_refuses_an_unusable_checkpoint_in_one_line(kept, untrusted_run, case):
    path = untrusted_run / "checkpoints" / "step-000006.safetensors"
    path.unlink()
    ON_DISK[case](kept)(path)

    generated = refused("generate", untrusted_run, "-o", untrusted_run / "x.png")
    resumed = refused("resume", untrusted_run)

    for output in (generated, resumed):
        assert str(path) in output
        assert output.isprintable()
        assert len(output.replace(str(untrusted_run), "")) < MAX_LENGTH
    assert not (untrusted_run / "x.png").exists()
    assert os.path.lexists(path)  # kept for inspection


# --- a run's other files -------------------------------------------------------------------------


def run_command(*arguments: object) -> None:
    """Run the command and check that it succeeds, or fails with one line."""
    done = gandem(*arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 0 or LINE.fullmatch(done.stderr), done.stderr


READERS = {
    "open": lambda run: try_call(open_run, run),
    "find": lambda run: try_call(find_runs, run.parent),
    "runs": lambda run: run_command("runs", run.parent),
    "show": lambda run: run_command("show", run),
    "show --json": lambda run: run_command("show", run, "--json"),
}


def write_record(untrusted_run: Path, **changes: object) -> None:
    (untrusted_run / "run.json").write_text(json.dumps(RECORD | changes))


@pytest.mark.parametrize("look", ["runs", "show", "show --json"])
def test_escape_sequences_are_not_printed(untrusted_run, look):
    write_record(untrusted_run, data=RECORD["data"] | {"name": RED}, started=RED, command=RED)
    command, *options = look.split()
    place = untrusted_run if command == "show" else untrusted_run.parent

    done = CliRunner().invoke(main, [command, str(place), *options], color=True)

    assert "dcgan" in done.stdout
    assert "\x1b" not in done.output


@pytest.mark.parametrize("look", ["runs", "show", "show --json"])
def test_half_of_a_surrogate_pair_in_run_json_is_refused_in_one_line(untrusted_run, look):
    write_record(untrusted_run, data=RECORD["data"] | {"name": "\ud800"})

    READERS[look](untrusted_run)


def test_a_seed_of_very_many_digits_is_shortened(untrusted_run):
    write_record(untrusted_run, seed=10**4000)

    assert len(refused("resume", untrusted_run).replace(str(untrusted_run), "")) < MAX_LENGTH


def test_changes_that_were_not_allowed_are_refused(untrusted_run):
    (untrusted_run / "spec.toml").write_text(to_toml(change(SPEC, {"training.epochs": 99})))

    with pytest.raises(RunError, match="it has another spec"):
        open_run(untrusted_run).checkpoint()


def test_a_fault_in_spec_toml_is_shortened(untrusted_run):
    path = untrusted_run / "spec.toml"
    path.write_text(path.read_text().replace("shape = [", f"shape = [{'1, ' * 50_000}"))

    _, message = try_call(open_run, untrusted_run)

    assert "received [1, 1" in message


@pytest.mark.parametrize(
    "seconds", ["", ', "seconds": null', ', "seconds": []', ', "seconds": NaN']
)
def test_a_log_without_seconds_can_be_resumed(untrusted_run, seconds):
    (untrusted_run / "log.jsonl").write_text(f'{{"step": 2{seconds}}}\n')

    assert trim_log(open_run(untrusted_run), 6, 2, ends=True) == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes of Unix")
@pytest.mark.parametrize("name", ["run.json", "spec.toml", "log.jsonl"])
def test_a_pipe_in_the_place_of_a_file_does_not_block(untrusted_run, name):
    (untrusted_run / name).unlink(missing_ok=True)
    os.mkfifo(untrusted_run / name)
    signal.alarm(2)

    run, _ = try_call(open_run, untrusted_run)

    assert run is None or run.log() == []


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="needs the alarm of Unix")
def test_nested_blocks_are_compared_quickly(kept):
    blocks = from_data(apply(nested(20), kept.header)["spec"])
    signal.alarm(2)

    assert differences(blocks, blocks) == {}


# --- nothing is run ------------------------------------------------------------------------------

MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {("torch", "load"), ("os", "system"), ("os", "popen"), ("keras", "load_model")}


def list_dangers(source: str) -> list[str]:
    """Return the calls and imports in a source that could run code from a file."""
    dangers: list[str] = []
    safe: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):  # a call before its parts
        if isinstance(node, ast.Call) and any(
            word.arg == "weights_only" and is_constant(word.value, True) for word in node.keywords
        ):
            safe.append(node.func)
        if node in safe:
            continue
        match node:
            case ast.Import(names=names):
                dangers += [n.name for n in names if n.name.partition(".")[0] in MODULES]
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                dangers.append(module)
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                dangers.append(name)
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if (owner, name) in METHODS:
                dangers.append(f"{owner}.{name}")
            case ast.Attribute(attr="load_model" | "read_pickle" as name):
                dangers.append(name)
            case ast.keyword(arg="allow_pickle", value=value) if not is_constant(value, False):
                dangers.append("allow_pickle")
            case ast.keyword(arg="weights_only" | "safe_mode" as name, value=value):
                dangers += [] if is_constant(value, True) else [name]
            case ast.keyword(arg="shell", value=value) if not is_constant(value, False):
                dangers.append("shell")
    return dangers


def is_constant(node: ast.expr, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


DANGEROUS = [
    "import pickle",
    "import numpy, joblib.memory",
    "from marshal import loads",
    "eval(text)",
    "exec(open(path).read())",
    "torch.load(path)",
    "load = torch.load",
    "keras.models.load_model(path)",
    "np.load(path, allow_pickle=True)",
    "np.load(path, allow_pickle=trusted)",
    "load(path, weights_only=False)",
    "subprocess.run(command, shell=True)",
]
HARMLESS = [
    "torch.load(path, weights_only=True)",
    "re.compile(pattern)",
    "torch.compile(network)",
    "network.eval()",
    "np.load(path)",
    "np.load(path, allow_pickle=False)",
    "'import pickle'",
]


@pytest.mark.parametrize("source", DANGEROUS)
def test_dangerous_source_is_found(source):
    assert list_dangers(source)


@pytest.mark.parametrize("source", HARMLESS)
def test_harmless_source_passes(source):
    assert list_dangers(source) == []


def test_shipped_code_cannot_run_code_from_a_file():
    folders = ("core", "backends", "models", "data", "extractors", "callbacks", "testing")
    sources = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    sources += ROOT.glob("*.py")

    dangers_by_file = {
        path.relative_to(ROOT).as_posix(): list_dangers(path.read_text()) for path in sources
    }

    assert len(dangers_by_file) > 80
    assert {name: dangers for name, dangers in dangers_by_file.items() if dangers} == {}
