"""Rules that find failures of a training in the rows of its log, such as mode collapse.

The monitor depends only on the rows of the log and on the spec, so a resumed training reports the
same as an uninterrupted one. ``docs/reading-the-losses.md`` describes each condition, its rules and
the measurements behind the limits.
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

from gandem.callbacks.diagnostics.suggestions import Finding, suggest_remedy
from gandem.callbacks.diagnostics.verdict import (
    MEASUREMENTS,
    MIN_STEPS,
    describe_doubts,
    describe_last_accuracy,
    describe_verdict,
    shows_progress,
)
from gandem.core.documents import is_number
from gandem.core.runs.log import has_losses
from gandem.core.specs import Spec, at_start
from gandem.core.training import NumpyOps
from gandem.core.training.losses import (
    AdversarialLoss,
    compute_discriminator_loss,
    decision_boundary,
    is_paired,
)

CONDITIONS = (
    "discriminator-dominates",
    "generator-collapsed",
    "oscillation",
    "no-progress",
    "diverged",
)
"""The conditions that are reported. ``diverged`` ends a training; the others begin and may end."""

SHORT, MIDDLE, LONG = 100, 200, 500
"""Steps over which rules look back."""
MIN_ROWS = 4
"""Rows that a rule needs, however few steps it looks back."""
MIN_LOSS_STEP = 50
"""Steps before losses are read; earlier ones vary a lot in healthy trainings too."""
MIN_VARIETY_STEP = 100
"""Steps before variety is read; a new generator has almost none."""
LOST, LOSING, REGAINED = 0.01, 0.02, 0.1
"""Limits of the discriminator's loss, as a share of the loss of guessing.

Below the first for SHORT steps, or the second for LONG ones, it dominates; above the third it no
longer does. Healthy trainings reached 0.016 over SHORT and 0.027 over LONG steps.
"""
HIGH, CALM = 2.5, 1.25
"""Likewise: above the first the loss is wild, below the second it is calm."""
SAME, POOR, RICH = (0.02, 0.01), (0.1, 0.05), (0.2, 0.1)
"""Nearest distance and variety: below the first pair (in the first LONG steps) or the second
(later) a generator has collapsed; above the third it has not. Healthy ones reached 0.024 and 0.08
in the first LONG steps.
"""
GROWS = 1.15
"""If variety grows by this factor while the discriminator dominates, the generator still learns."""
RISING = 1.25
"""If variety grows by this factor from one measurement to the next, it is recovering."""
MIN_CHANGE = 1e-6
"""Relative change of a player's weights in a step below which it does not learn."""
JUMP = 0.35
"""Median change of the loss between two rows of the log above which it oscillates.

Healthy trainings reached 0.21.
"""
MAX_VALUE = 1e300
FLAT = 0.01
"""If the loss stays this close to that of guessing for MIDDLE steps, there is no progress, or the
players are in equilibrium: what was measured of the images tells.
"""


@dataclass(frozen=True, slots=True)
class LossScale:
    """The scale of the discriminator's loss, measured from the loss function.

    Attributes:
        guessing: the loss of a discriminator whose logits are all 0.
        least: the lowest possible loss; None for a critic, whose loss is unbounded.
        margin: True if small logits already give the lowest loss, as with margins and squares.
    """

    guessing: float
    least: float | None
    margin: bool = False

    @classmethod
    def of(cls, spec: Spec, rule: AdversarialLoss) -> LossScale:
        """Measure a loss function.

        >>> from gandem.core.specs import load_spec
        >>> from gandem.core.training import resolve_loss
        >>> spec = load_spec("dcgan")
        >>> LossScale.of(spec, resolve_loss(spec))
        LossScale(guessing=1.386294, least=0.0, margin=False)
        >>> spec = load_spec("wgan")
        >>> LossScale.of(spec, resolve_loss(spec))
        LossScale(guessing=0.0, least=None, margin=False)
        """
        loss, ops = at_start(spec.loss), NumpyOps()
        share = 1.0 if loss.halves == "sum" else 0.5
        target = 1.0 - loss.label_smoothing

        def halves(logit: float) -> tuple[float, float]:
            logits = np.full((1, 1), logit)
            return float(rule.real(ops, logits, target)), float(rule.fake(ops, logits))

        def lowest(scale: float) -> float:
            losses = [halves(logit) for logit in np.linspace(-scale, scale, 401)]
            return share * float(sum(min(half) for half in zip(*losses, strict=True)))

        zero = np.zeros((1, 1))
        guessing = share * float(compute_discriminator_loss(rule, ops, zero, zero, target))
        classes = loss.class_weight * math.log(spec.classes) if spec.classes else 0.0
        guessing += share * 2 * classes  # of real and of fake images
        if decision_boundary(rule) is None or is_paired(rule):
            return cls(round(guessing, 6), None)
        near, far = lowest(40.0), lowest(80.0)
        if far <= near - 1e-3 * (1 + abs(near)):  # unbounded
            return cls(round(guessing, 6), None)
        least = min(near, far)
        margin = lowest(2.0) < least + 1e-3 * (1 + abs(guessing - least))
        return cls(round(guessing, 6), round(least, 6) + 0.0, margin)

    def share(self, row: Mapping[str, Any]) -> float:
        """Return the loss of a row on this scale: 0 is the lowest, 1 is guessing.

        NaN if the loss is unbounded.
        """
        if self.least is None or self.guessing <= self.least:
            return math.nan
        penalty = _number(row, "penalty") if "penalty" in row else 0.0
        loss = _number(row, "discriminator") - penalty
        return (loss - self.least) / (self.guessing - self.least)


class Monitor:
    """Reads the rows of a log and reports which conditions begin and end."""

    def __init__(self, spec: Spec, rule: AdversarialLoss) -> None:
        self.spec, self.loss, self.scale = spec, rule, LossScale.of(spec, rule)
        self.rows: deque[Mapping[str, Any]] = deque()
        self.varied: list[Mapping[str, Any]] = []
        self.moved: list[Mapping[str, Any]] = []
        self.accuracies: list[dict[str, Any]] = []
        self.scored: list[Mapping[str, Any]] = []
        self.episodes: list[dict[str, Any]] = []
        self.step = 0

    def read(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Read a row of the log; return the warnings that follow, as rows of the log."""
        if isinstance(row.get("accuracy"), dict):
            self.accuracies = [*self.accuracies, {"step": row["step"], **row["accuracy"]}][
                -MEASUREMENTS:
            ]
        if isinstance(row.get("scores"), dict):
            self.scored.append(row)
            self.step = row["step"]
            return self._check()
        if not has_losses(row):
            return []
        self.step = row["step"]
        self.rows.append(row)
        while len(self.rows) > MIN_ROWS and self.rows[0]["step"] <= self.step - LONG:
            self.rows.popleft()
        if "variety" in row:
            self.varied = [*self.varied, row][-2:]
        if isinstance(row.get("moved"), dict):
            self.moved = [*self.moved, row][-2:]
        return self._check()

    def _check(self) -> list[dict[str, Any]]:
        """Apply all rules; return a warning for each condition that begins or ends."""
        events = []
        for state, check in (
            ("discriminator-dominates", self._dominates),
            ("generator-collapsed", self._collapsed),
            ("oscillation", self._oscillates),
            ("no-progress", self._stands_still),
        ):
            is_open = self._open(state)
            finding = check(is_open is not None)
            if finding is not None and is_open is None:
                events.append(self._begin(state, finding))
            elif finding is None and is_open is not None:
                events.append(self._end(is_open))
        return events

    def diverged(self, step: int, because: str) -> dict[str, Any]:
        """Record that a loss or a weight is not finite; return the warning."""
        self.step = step
        return self._begin("diverged", Finding(step, because))

    def report(self) -> dict[str, Any]:
        """Return the verdict, current warnings, all episodes, accuracy and variety."""
        last = self.varied[-1] if self.varied else {}
        current = [e["health"] for e in self.episodes if "until_step" not in e]
        is_unknown = self.step < MIN_STEPS and not self.episodes
        state = "unknown" if is_unknown else "doubtful" if self._doubts() else "well"
        return {
            "verdict": self.verdict(),
            "now": current or [state],
            "episodes": [dict(episode) for episode in self.episodes],
            "variety": last.get("variety"),
            "accuracy": self.accuracies[-1] if self.accuracies else None,
        }

    def verdict(self) -> str:
        """Return a summary of the training in a sentence."""
        is_critic = decision_boundary(self.loss) is None
        remark = describe_last_accuracy(self.accuracies, is_critic=is_critic)
        doubts = self._doubts()
        return describe_verdict(self.step, self.episodes, self._variety(), doubts, remark)

    def _variety(self) -> float:
        return _number(self.varied[-1], "variety") if self.varied else math.nan

    def _nearest(self) -> float:
        return _number(self.varied[-1], "nearest") if self.varied else math.nan

    def _doubts(self) -> list[str]:
        is_critic = decision_boundary(self.loss) is None
        return describe_doubts(self.accuracies, self.scored, self._variety(), is_critic=is_critic)

    def _open(self, state: str) -> dict[str, Any] | None:
        for episode in self.episodes:
            if episode["health"] == state and "until_step" not in episode:
                return episode
        return None

    def _begin(self, state: str, finding: Finding) -> dict[str, Any]:
        self.episodes.append({"health": state, "since_step": finding.since})
        remedy, options = suggest_remedy(
            state, self.spec, self.scale.guessing, self.loss.smoothable, finding
        )
        return {
            "step": self.step,
            "health": state,
            "state": "begins",
            "since_step": finding.since,
            "because": finding.because,
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

    # --- the rules: each returns a finding or None; stricter limits apply to a new one ------------

    def _recent(self, span: int) -> list[Mapping[str, Any]]:
        """Return the rows of the last steps, at least MIN_ROWS; none if there are fewer."""
        rows = [row for row in self.rows if row["step"] > MIN_LOSS_STEP]
        inside = [row for row in rows if row["step"] > self.step - span]
        if len(inside) < MIN_ROWS:
            inside = rows[-MIN_ROWS:]
        return inside if self.step >= span and len(inside) >= MIN_ROWS else []

    def _dominates(self, is_open: bool) -> Finding | None:
        for span, limit in ((SHORT, LOST), (LONG, LOSING))[: 1 if is_open else 2]:
            rows = self._recent(span)
            if not rows or (span == SHORT and self.scale.margin and not is_open):
                continue
            if not is_open and _grows(rows):
                continue
            share = statistics.median(map(self.scale.share, rows))
            right = [_number(row, f"{of}_accuracy") for row in rows for of in ("real", "fake")]
            median = statistics.median(right)
            if share < (REGAINED if is_open else limit) and (is_open or median >= 0.99):
                loss = statistics.median(_number(row, "discriminator") for row in rows)
                return Finding(
                    rows[0]["step"],
                    f"its loss is {loss:.2g}, where guessing costs {self.scale.guessing:.3g}, and "
                    f"it classifies {median:.0%} of the images correctly",
                )
        return None

    def _collapsed(self, is_open: bool) -> Finding | None:
        two = [row for row in self.varied if row["step"] >= MIN_VARIETY_STEP]
        if len(two) < 2:
            return None
        limits = RICH if is_open else SAME if self.step < LONG else POOR
        for name, limit in zip(("nearest", "variety"), limits, strict=True):
            before, now = (_number(row, name) for row in two)
            rises = now > max(RISING * before, limit / 4)
            if now < limit and (is_open or (before < limit and not rises)):
                verb = "differ" if name == "variety" else "differ from the nearest other"
                return Finding(
                    two[0]["step"],
                    f"the images for different noise {verb} by {now:.3f} of what real images do",
                )
        return None

    def _oscillates(self, is_open: bool) -> Finding | None:
        rows = self._recent(MIDDLE)
        shares = [self.scale.share(row) for row in rows]
        wild = [row for row, share in zip(rows, shares, strict=True) if share > HIGH]
        jumps = [abs(after - before) for before, after in itertools.pairwise(shares)] or [0.0]
        swings = len(wild) >= (1 if is_open else 3) and min(shares) < CALM
        if swings or statistics.median(jumps) > JUMP * (0.5 if is_open else 1):
            losses = [_number(row, "discriminator") for row in rows]
            return Finding(
                rows[0]["step"],
                f"the discriminator's loss went between {min(losses):.2g} and {max(losses):.3g}, "
                f"where guessing costs {self.scale.guessing:.3g}",
            )
        return None

    def _stands_still(self, is_open: bool) -> Finding | None:
        for player in ("generator", "discriminator"):
            if player == "discriminator" and self.spec.training.discriminator_skip_below:
                continue  # it is skipped on purpose
            moves = [_number(row["moved"], player) for row in self.moved]
            if (
                moves
                and (moves[-1] < MIN_CHANGE)
                and (is_open or (moves[1:] and moves[0] < MIN_CHANGE))
            ):
                return Finding(self.moved[0]["step"], f"the {player}'s weights do not move", player)
        rows = self._recent(MIDDLE)
        is_flat = rows and all(abs(self.scale.share(row) - 1) < FLAT for row in rows)
        if is_flat and not shows_progress(self.scored, self._variety(), self._nearest()):
            loss = _number(rows[-1], "discriminator")
            return Finding(
                rows[0]["step"],
                f"the discriminator's loss stays at {loss:.3f}, which is what guessing costs",
            )
        return None


def _grows(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return True if the variety of the images grows in some rows."""
    values = [_number(row, "variety") for row in rows if "variety" in row]
    return len(values) > 1 and values[0] < 1 and values[-1] > GROWS * values[0]


def _number(row: Mapping[str, Any], name: str) -> float:
    """Return a number of a row, NaN if it is not a number; a log may come from a third party."""
    value = row.get(name)
    return float(value) if is_number(value) and abs(value) <= MAX_VALUE else math.nan
