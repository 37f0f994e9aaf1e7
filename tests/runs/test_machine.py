"""Process-wide effects: they can be switched off."""

import ctypes
import os
import sys
import threading

import pytest

from gandem.core.machine import (
    are_process_effects_allowed,
    describe_machine,
    keep_freed_memory,
    lower_thread_priority,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="effects on Linux")


@pytest.mark.parametrize(("value", "allowed"), [(None, True), ("1", True), ("0", False)])
def test_variable_switches_effects_off(monkeypatch, value, allowed):
    monkeypatch.delenv("GANDEM_PROCESS_EFFECTS", raising=False)
    if value is not None:
        monkeypatch.setenv("GANDEM_PROCESS_EFFECTS", value)

    assert are_process_effects_allowed() is allowed


@on_linux
@pytest.mark.parametrize(("value", "calls"), [("1", 1), ("0", 0)])
def test_malloc_is_left_alone_without_effects(monkeypatch, value, calls):
    monkeypatch.setenv("GANDEM_PROCESS_EFFECTS", value)
    loaded = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: loaded.append(name))

    keep_freed_memory()

    assert len(loaded) == calls


@on_linux
@pytest.mark.parametrize(("value", "niceness"), [("1", 19), ("0", None)])
def test_priority_of_a_thread_is_left_alone_without_effects(monkeypatch, value, niceness):
    monkeypatch.setenv("GANDEM_PROCESS_EFFECTS", value)
    results = []

    def run():
        lower_thread_priority()
        results.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert results == [before if niceness is None else niceness]


def test_description_names_cores_and_system():
    assert f"{os.cpu_count()} cores" in describe_machine()
