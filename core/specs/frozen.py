"""Patterns for layers whose weights no update changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from gandem.core.errors import SpecError, shown, suggest
from gandem.core.specs.gan import Spec
from gandem.core.specs.shapes.stages import stage_specs
from gandem.core.specs.validation import list_layers, plan_spec


def freeze_layers(spec: Spec, patterns: Iterable[str]) -> Spec:
    """Return the spec with more layers frozen.

    Args:
        patterns: ``"discriminator.conv2d_1"``; the layers inside a block are frozen with it, and
            all layers with their player; ``*`` stands for any characters.

    Raises:
        SpecError: a pattern fits no layer that has weights, or nothing is left to train.
    """
    plans = [plan_spec(stage) for stage in stage_specs(spec)]
    names = {
        f"{player.name}.{name.replace('/', '.')}": (player.name, name)
        for player in spec.players
        for name, has_weights in list_layers(player, plans).items()
        if has_weights
    }
    frozen = {player.name: {*player.frozen} for player in spec.players}
    for pattern in patterns:
        path = pattern.replace("/", ".")
        matches = [n for n in names if fnmatchcase(n, path) or n.startswith(f"{path}.")]
        if not matches:
            near = suggest(path, (*names, *frozen))
            raise SpecError(f"freeze: no layer with weights fits {shown(pattern)}.{near}")
        for player, name in map(names.__getitem__, matches):
            frozen[player].add(name)
    players = (replace(player, frozen=tuple(frozen[player.name])) for player in spec.players)
    changed = replace(spec, players=tuple(players))
    plan_spec(changed)
    return changed
