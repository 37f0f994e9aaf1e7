"""Prefetching: inputs drawn before their step are those that the feed returns for it."""

import threading

import numpy as np
import pytest

from gandem.core.training import Prefetcher


class Counting:
    """A feed that writes down which steps it was asked for, and by whom."""

    def __init__(self, fails_at: int = -1) -> None:
        self.asked: list[int] = []
        self.threads: set[str] = set()
        self.fails_at = fails_at

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        self.asked.append(step)
        self.threads.add(threading.current_thread().name)
        if step == self.fails_at:
            raise ValueError(f"no step {step}")
        return {"noise/0": np.full(3, step)}


def prefetch(feed: Counting, total: int) -> Prefetcher:
    return Prefetcher(feed, total)


def test_each_step_gets_its_own_inputs_each_drawn_once():
    feed = Counting()
    ahead = prefetch(feed, 7)

    got = [int(ahead(step)["noise/0"][0]) for step in range(7)]
    ahead.close()

    assert got == list(range(7))
    assert feed.asked == list(range(7))  # and none behind the last


def test_inputs_are_drawn_in_another_thread():
    feed = Counting()
    ahead = prefetch(feed, 3)
    ahead(0)
    ahead.close()

    assert feed.threads
    assert threading.current_thread().name not in feed.threads


def test_no_more_than_two_steps_are_drawn_ahead():
    feed = Counting()
    ahead = prefetch(feed, 100)
    ahead(0)
    ahead.close()

    assert max(feed.asked) <= 2


def test_a_jump_to_another_step_is_followed():
    feed = Counting()
    ahead = prefetch(feed, 100)
    ahead(0)

    got = int(ahead(50)["noise/0"][0])
    ahead.close()

    assert got == 50


def test_an_error_while_drawing_is_raised_at_its_step():
    ahead = prefetch(Counting(fails_at=2), 10)
    ahead(0)
    ahead(1)

    with pytest.raises(ValueError, match="no step 2"):
        ahead(2)
    ahead.close()
