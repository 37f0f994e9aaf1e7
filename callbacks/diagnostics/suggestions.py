"""Suggested fixes for the conditions of a training, with the options that apply them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gandem.core.specs import Spec

__all__ = ["Finding", "format_warning", "suggest_remedy"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a condition begins: since which step, by what evidence, and for which player."""

    since: int
    because: str
    player: str = ""


def suggest_remedy(
    state: str, spec: Spec, guessing: float, smoothable: bool, found: Finding
) -> tuple[str, list[str]]:
    """Return a suggestion in words, and the options that apply it, the best first.

    Options that the spec already has are left out.

    Args:
        guessing: the discriminator's loss when it guesses.
        smoothable: True if label smoothing applies to the loss.
    """
    if state == "discriminator-dominates":
        words = "let the discriminator learn less, or make its task harder"
        return words, [*_hold_back(spec, guessing), *_harder(spec, smoothable)]
    if state == "generator-collapsed":
        return "give the generator a steadier gradient", [*_steadier(spec)]
    if state == "oscillation":
        return "let both players take smaller steps", [*_rates(spec, 0.1)]
    if state == "no-progress":
        words = "let it learn: a larger learning rate"
        return words, [*_rates(spec, 10.0, found.player)]
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
    if not spec.training.augment.translation:
        yield "--set training.augment.translation=0.125"


def _steadier(spec: Spec) -> Iterator[str]:
    yield from _rates(spec, 0.25)
    if spec.loss.name != "hinge":
        yield "--set loss.name=hinge"
    if not spec.loss.gradient_penalty:
        yield "--set loss.gradient_penalty=10"


def _rates(spec: Spec, factor: float, player: str = "") -> Iterator[str]:
    """Yield an option that changes one learning rate, or both; a very unusual rate becomes 2e-4."""
    changes = []
    for name in (player,) if player else ("generator", "discriminator"):
        rate = spec.player(name).optimizer.learning_rate * factor
        changes.append(
            f"--set {name}.optimizer.learning_rate={rate if 1e-6 < rate < 0.1 else 2e-4:.3g}"
        )
    yield " ".join(changes)


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
