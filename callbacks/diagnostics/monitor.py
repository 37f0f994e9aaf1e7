"""How a training is doing, read from its log as the lessons read losses: which sicknesses it shows,
since when, and what helps.

The monitor is a function of the rows of the log and of the spec alone.  So a training that is
resumed knows what it knew, from the rows that were kept, and says what an undisturbed one says.
``docs/reading-the-losses.md`` shows every state with its rules and the figures behind them.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gandem.callbacks.diagnostics.suggestions import Finding, remedy_for
from gandem.core.specs import Spec
from gandem.core.training import NumpyOps
from gandem.core.training.losses import AdversarialLoss, boundary_of

__all__ = ["STATES", "Gauge", "Monitor", "is_event"]

STATES = (
    "discriminator-dominates",
    "generator-collapsed",
    "oscillation",
    "no-progress",
    "diverged",
)
"""What can be wrong with a training.  ``diverged`` ends it; the others begin and may end."""

SHORT, MIDDLE, LONG = 100, 200, 500
"""Steps over which rules look back."""
FEW = 4
"""Rows that a rule wants, however few steps it looks back."""
YOUNG = 50
"""Steps after which losses are looked at: before, both players stumble."""
FRESH = 100
"""Steps after which variety is: a generator begins with next to none."""
LOST, LOSING, REGAINED = 0.01, 0.02, 0.1
"""The discriminator's loss, as a share of what guessing costs: below the first for SHORT steps, or
the second for LONG ones, it dominates; above the third it does no more.  Healthy trainings went
down to 0.016 over SHORT and 0.027 over LONG steps.
"""
HIGH, CALM = 2.5, 1.25
"""Likewise: above the first it has lost its head, below the second it has it."""
SAME, POOR, RICH = (0.02, 0.01), (0.1, 0.05), (0.2, 0.1)
"""Nearest distance and variety below which a generator has collapsed: in its first LONG steps,
since then, and above which it has not.  Healthy ones went down to 0.024 and 0.08 in the first.
"""
GROWS = 1.15
"""Variety that grows by this factor while the discriminator dominates: the generator learns all the
same.
"""
RISING = 1.25
"""Variety that grows by this factor from one measurement to the next is on its way."""
STILL = 1e-6
"""Weights that move by less of their size in a step do not learn."""
JUMP = 0.35
"""From one row of the log to the next its loss jumps by more than this, in the median: it swings.
Healthy trainings had 0.21 at most.
"""
LARGEST = 1e300
FLAT = 0.01
"""The discriminator's loss within this share of guessing, for MIDDLE steps, does not move."""


def is_event(row: Mapping[str, Any]) -> bool:
    """Say whether a row of the log tells of health, a judgment or scores, and not of losses."""
    return "health" in row or "judged" in row or "scores" in row


@dataclass(frozen=True, slots=True)
class Gauge:
    """What the discriminator's loss means under an loss, learned from its rule.

    Attributes:
        guessing: the loss of one that knows nothing, whose logits are all 0.
        least: the lowest loss there is; None for a critic, whose loss has no floor.
        margin: whether scores of a few are enough for the lowest loss, as with margins and squares:
            there it says less.
    """

    guessing: float
    least: float | None
    margin: bool = False

    @classmethod
    def of(cls, spec: Spec, rule: AdversarialLoss) -> Gauge:
        """Ask a rule.

        >>> from gandem.core.training.losses import NonSaturating, Wasserstein
        >>> from gandem.core.plugins.registry import load_spec
        >>> Gauge.of(load_spec("dcgan"), NonSaturating())
        Gauge(guessing=1.386294, least=0.0, margin=False)
        >>> Gauge.of(load_spec("dcgan"), Wasserstein())
        Gauge(guessing=0.0, least=None, margin=False)
        """
        loss, ops = spec.loss, NumpyOps()
        share = 1.0 if loss.halves == "sum" else 0.5
        target = 1.0 - loss.label_smoothing

        def halves(logit: float) -> tuple[float, float]:
            logits = np.full((1, 1), logit)
            return float(rule.real(ops, logits, target)), float(rule.fake(ops, logits))

        def lowest(scale: float) -> float:
            tried = [halves(logit) for logit in np.linspace(-scale, scale, 401)]
            return share * float(sum(min(half) for half in zip(*tried, strict=True)))

        guessing = share * sum(halves(0.0))
        classes = loss.class_weight * math.log(spec.classes) if spec.classes else 0.0
        guessing += share * 2 * classes  # of real and of fake images
        near, far = lowest(40.0), lowest(80.0)
        bounded = boundary_of(rule) is not None and far > near - 1e-3 * (1 + abs(near))
        if not bounded:
            return cls(round(guessing, 6), None)
        least = min(near, far)
        margin = lowest(2.0) < least + 1e-3 * (1 + abs(guessing - least))
        return cls(round(guessing, 6), round(least, 6) + 0.0, margin)

    def share(self, row: Mapping[str, Any]) -> float:
        """Return where the loss of a row stands: 0 at its lowest, 1 where it is guessing; NaN
        where that means nothing.
        """
        if self.least is None or self.guessing <= self.least:
            return math.nan
        penalty = _number(row, "penalty") if "penalty" in row else 0.0
        loss = _number(row, "discriminator") - penalty
        return (loss - self.least) / (self.guessing - self.least)


class Monitor:
    """Reads the log, row after row, and says which states begin and end."""

    def __init__(self, spec: Spec, rule: AdversarialLoss) -> None:
        self.spec, self.gauge, self.smoothable = spec, Gauge.of(spec, rule), rule.smoothable
        self.rows: deque[Mapping[str, Any]] = deque()
        self.varied: list[Mapping[str, Any]] = []
        self.moved: list[Mapping[str, Any]] = []
        self.judged: dict[str, Any] | None = None
        self.episodes: list[dict[str, Any]] = []
        self.step = 0

    def read(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Take in a row of the log; return the events that follow from it, rows themselves."""
        if isinstance(row.get("judged"), dict):
            self.judged = {"step": row["step"], **row["judged"]}
        if is_event(row):
            return []
        self.step = row["step"]
        self.rows.append(row)
        while len(self.rows) > FEW and self.rows[0]["step"] <= self.step - LONG:
            self.rows.popleft()
        if "variety" in row:
            self.varied = [*self.varied, row][-2:]
        if isinstance(row.get("moved"), dict):
            self.moved = [*self.moved, row][-2:]
        events = []
        for state, check in (
            ("discriminator-dominates", self._dominates),
            ("generator-collapsed", self._collapsed),
            ("oscillation", self._oscillates),
            ("no-progress", self._stands_still),
        ):
            under_way = self._open(state)
            found = check(under_way is not None)
            if found is not None and under_way is None:
                events.append(self._begin(state, found))
            elif found is None and under_way is not None:
                events.append(self._end(under_way))
        return events

    def diverged(self, step: int, because: str) -> dict[str, Any]:
        """Take note that a loss or a weight is no longer a number; return the event."""
        self.step = step
        return self._begin("diverged", Finding(step, because))

    def report(self) -> dict[str, Any]:
        """Return what is known now: a verdict in a sentence, the episodes, the last judgment and
        variety.
        """
        last = self.varied[-1] if self.varied else {}
        going = [said["health"] for said in self.episodes if "until_step" not in said]
        young = self.step < MIDDLE and not self.episodes
        return {
            "verdict": self.verdict(),
            "now": going or ["unknown" if young else "well"],
            "episodes": [dict(episode) for episode in self.episodes],
            "variety": last.get("variety"),
            "judged": self.judged,
        }

    def verdict(self) -> str:
        """Return how the training has gone, as a sentence."""
        going = [said for said in self.episodes if "until_step" not in said]
        over = [said for said in self.episodes if "until_step" in said]
        if going:
            return "; ".join(f"{said['health']} since step {said['since_step']}" for said in going)
        if over:
            past = ", ".join(
                f"{said['health']} from step {said['since_step']} to {said['until_step']}"
                for said in over
            )
            return f"well in the end; there was {past}"
        if self.step < MIDDLE:
            return f"no sign of trouble, but {self.step} steps are too few to tell"
        words = f"no sign of trouble in {self.step} steps"
        if self.varied and isinstance(self.varied[-1]["variety"], float):
            words += (
                f"; the images vary {self.varied[-1]['variety']:.2f} times as much as real ones"
            )
        return words

    def _open(self, state: str) -> dict[str, Any] | None:
        for episode in self.episodes:
            if episode["health"] == state and "until_step" not in episode:
                return episode
        return None

    def _begin(self, state: str, found: Finding) -> dict[str, Any]:
        self.episodes.append({"health": state, "since_step": found.since})
        remedy, options = remedy_for(state, self.spec, self.gauge.guessing, self.smoothable, found)
        return {
            "step": self.step,
            "health": state,
            "state": "begins",
            "since_step": found.since,
            "because": found.because,
            "remedy": remedy,
            "options": options,
        }

    def _end(self, episode: dict[str, Any]) -> dict[str, Any]:
        episode["until_step"] = self.step
        return {
            "step": self.step,
            "health": episode["health"],
            "state": "ends",
            "since_step": episode["since_step"],
        }

    # --- the rules: each returns what it found, or None; one that is under way ends later ---------

    def _recent(self, span: int) -> list[Mapping[str, Any]]:
        """Return the rows of the last steps, at least a few; none where there are not so many."""
        rows = [row for row in self.rows if row["step"] > YOUNG]
        inside = [row for row in rows if row["step"] > self.step - span]
        if len(inside) < FEW:
            inside = rows[-FEW:]
        return inside if self.step >= span and len(inside) >= FEW else []

    def _dominates(self, under_way: bool) -> Finding | None:
        for span, limit in ((SHORT, LOST), (LONG, LOSING))[: 1 if under_way else 2]:
            rows = self._recent(span)
            if not rows or (span == SHORT and self.gauge.margin and not under_way):
                continue
            if not under_way and _grows(rows):
                continue
            share = statistics.median(map(self.gauge.share, rows))
            right = [_number(row, f"{of}_accuracy") for row in rows for of in ("real", "fake")]
            told = statistics.median(right)
            if share < (REGAINED if under_way else limit) and (under_way or told >= 0.99):
                loss = statistics.median(_number(row, "discriminator") for row in rows)
                return Finding(
                    rows[0]["step"],
                    f"its loss is {loss:.2g}, where guessing costs {self.gauge.guessing:.3g}, and "
                    f"it tells {told:.0%} of the images rightly",
                )
        return None

    def _collapsed(self, under_way: bool) -> Finding | None:
        two = [row for row in self.varied if row["step"] >= FRESH]
        if len(two) < 2:
            return None
        limits = RICH if under_way else SAME if self.step < LONG else POOR
        for name, limit in zip(("nearest", "variety"), limits, strict=True):
            before, now = (_number(row, name) for row in two)
            rises = now > max(RISING * before, limit / 4)
            if now < limit and (under_way or (before < limit and not rises)):
                said = "differ" if name == "variety" else "differ from the nearest other"
                return Finding(
                    two[0]["step"],
                    f"the images for different noise {said} by {now:.3f} of what real images do",
                )
        return None

    def _oscillates(self, under_way: bool) -> Finding | None:
        rows = self._recent(MIDDLE)
        shares = [self.gauge.share(row) for row in rows]
        wild = [row for row, share in zip(rows, shares, strict=True) if share > HIGH]
        jumps = [abs(after - before) for before, after in itertools.pairwise(shares)] or [0.0]
        swings = len(wild) >= (1 if under_way else 3) and min(shares) < CALM
        if swings or statistics.median(jumps) > JUMP * (0.5 if under_way else 1):
            losses = [_number(row, "discriminator") for row in rows]
            return Finding(
                rows[0]["step"],
                f"the discriminator's loss went between {min(losses):.2g} and {max(losses):.3g}, "
                f"where guessing costs {self.gauge.guessing:.3g}",
            )
        return None

    def _stands_still(self, under_way: bool) -> Finding | None:
        for player in ("generator", "discriminator"):
            if player == "discriminator" and self.spec.training.discriminator_skip_below:
                continue  # it stands still on purpose
            moves = [_number(row["moved"], player) for row in self.moved]
            if moves and (moves[-1] < STILL) and (under_way or (moves[1:] and moves[0] < STILL)):
                return Finding(self.moved[0]["step"], f"the {player}'s weights do not move", player)
        rows = self._recent(MIDDLE)
        if rows and all(abs(self.gauge.share(row) - 1) < FLAT for row in rows):
            loss = _number(rows[-1], "discriminator")
            return Finding(
                rows[0]["step"],
                f"the discriminator's loss stays at {loss:.3f}, which is what guessing costs",
            )
        return None


def _grows(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether the images of some rows become ever more varied, and are not wild."""
    seen = [_number(row, "variety") for row in rows if "variety" in row]
    return len(seen) > 1 and seen[0] < 1 and seen[-1] > GROWS * seen[0]


def _number(row: Mapping[str, Any], name: str) -> float:
    """Return a number out of a row, NaN for what is none: a log may be a stranger's."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > LARGEST:
        return math.nan
    return float(value)
