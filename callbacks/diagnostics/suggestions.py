"""Suggested fixes for the conditions of a training, with the options that apply them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gandem.core.specs import Player, Points, Ramp, Schedule, Spec, has_encoder

USUAL_RATES = {"adam": 2e-4, "adamw": 2e-4, "rmsprop": 5e-5, "sgd": 0.01}
"""Learning rates that GANs are trained with, by the kind of optimizer."""
MAX_FACTOR = 20
"""A rate is far above the usual one by more than this factor."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a condition begins: since which step, by what evidence, and for which player."""

    since: int
    because: str
    player: str = ""


def suggest_remedy(
    state: str, spec: Spec, guessing: float, smoothable: bool, finding: Finding
) -> tuple[str, list[str]]:
    """Return a suggestion as text, and the options that apply it, the best first.

    Options that the spec already has are left out.

    Args:
        guessing: the discriminator's loss when it guesses.
        smoothable: True if label smoothing applies to the loss.
    """
    if large := _list_large_rates(spec):
        others = [
            option
            for option in _list_options(state, spec, guessing, smoothable, finding)[1]
            if "learning_rate" not in option
        ]
        options = [f"--set {n}.optimizer.learning_rate={_usual_rate(spec, n):g}" for n in large]
        suggestion = "the learning rate is far above the usual ones: take smaller steps"
        return suggestion, [" ".join(options), *others]
    return _list_options(state, spec, guessing, smoothable, finding)


def _list_options(
    state: str, spec: Spec, guessing: float, smoothable: bool, finding: Finding
) -> tuple[str, list[str]]:
    if state == "discriminator-dominates":
        suggestion = "let the discriminator learn less, or make its task harder"
        return suggestion, [*_hold_back(spec, guessing), *_harder(spec, smoothable)]
    if state == "generator-collapsed":
        return "give the generator a steadier gradient", [*_steadier(spec)]
    if state == "oscillation":
        return "let both players take smaller steps", [*_rates(spec, 0.1)]
    if state == "no-progress":
        suggestion = "let it learn: a larger learning rate"
        return suggestion, [*_rates(spec, 10.0, finding.player)]
    return "let both players take smaller steps", [*_rates(spec, 0.1)]


def _hold_back(spec: Spec, guessing: float) -> Iterator[str]:
    if not spec.training.discriminator_skip_below and guessing > 0:
        yield f"--set training.discriminator_skip_below={0.2 * guessing:.1g}"
    yield from _rates(spec, 0.25, "discriminator")


def _harder(spec: Spec, smoothable: bool) -> Iterator[str]:
    if smoothable and not spec.loss.label_smoothing:
        yield "--set loss.label_smoothing=0.1"
    if not spec.training.instance_noise:
        yield "--set training.instance_noise=0.1"
    if not isinstance(spec.image, Points) and not spec.training.augment.translation:
        yield "--set training.augment.translation=0.125"


def _steadier(spec: Spec) -> Iterator[str]:
    yield from _rates(spec, 0.25)
    if spec.loss.name != "hinge":
        yield "--set loss.name=hinge"
    if not spec.loss.gradient_penalty and not has_encoder(spec):
        yield "--set loss.gradient_penalty=10"


def _rates(spec: Spec, factor: float, player: str = "") -> Iterator[str]:
    """Yield an option that changes one learning rate, or both; an extreme one becomes usual."""
    changes = []
    for name in (player,) if player else ("generator", "discriminator"):
        rate, usual = spec.player(name).optimizer.learning_rate, _usual_rate(spec, name)
        path = f"{name}.optimizer.learning_rate"
        if isinstance(rate, Ramp):  # keeps its form
            rate, path = rate.from_, f"{path}.from"
        elif isinstance(rate, Schedule):
            rate = rate.limits()[1]
        rate *= factor
        if not usual / MAX_FACTOR**2 < rate < usual * MAX_FACTOR**2:
            rate = usual
        changes.append(f"--set {path}={rate:.3g}")
    yield " ".join(changes)


def _largest_rate(player: Player) -> float:
    rate = player.optimizer.learning_rate
    return rate.limits()[1] if isinstance(rate, Schedule) else rate


def _usual_rate(spec: Spec, player: str) -> float:
    return USUAL_RATES.get(spec.player(player).optimizer.kind, 2e-4)


def _list_large_rates(spec: Spec) -> list[str]:
    """Return the players whose learning rate is far above the usual one of its optimizer."""
    return [
        player.name
        for player in spec.players
        if _largest_rate(player) > MAX_FACTOR * _usual_rate(spec, player.name)
    ]


def format_warning(event: Mapping[str, Any]) -> str:
    """Return a warning as a line of text.

    >>> format_warning({"step": 9, "health": "oscillation", "state": "ends", "since_step": 4})
    'step 9: oscillation is over; it began at step 4'
    """
    text = f"step {event['step']}: {event['health']}"
    if event["state"] == "ends":
        return f"{text} is over; it began at step {event['since_step']}"
    options = event["options"]
    assert isinstance(options, list)
    since = f" since step {event['since_step']}" if event["since_step"] != event["step"] else ""
    return f"{text}{since}: {event['because']}; {event['remedy']}: {' or '.join(options[:2])}"
