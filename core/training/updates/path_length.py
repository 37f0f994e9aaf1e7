"""Path length regularization: the generator's image should change evenly with its styles."""

from __future__ import annotations

import math
from collections.abc import Mapping

from gandem.core.specs import FADE_IN, Spec, at_step, count_copies
from gandem.core.training.ops import Ops, Tensor
from gandem.core.training.protocols import Players
from gandem.core.training.updates.due import PATH_FACTOR, Due
from gandem.core.training.updates.penalties import path_lengths


def count_paths(spec: Spec, rows: int) -> int:
    """Return the batch size of the regularization.

    Args:
        rows: the batch size of the generator's update.
    """
    return max(1, rows // spec.loss.path_length.shrink)


def regularize_path_length(
    spec: Spec, players: Players, ops: Ops, inputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    r"""Update the generator on the penalty of its path lengths, if that is due; return the running
    average of path lengths a.

    .. math:: \gamma k \, \mathbb{E}_{w, y} (\lVert J_w^T y \rVert_2 - a)^2, \quad
        a \leftarrow d a + (1 - d) \, \mathbb{E}_{w, y} \lVert J_w^T y \rVert_2

    Here γ is the weight, k the interval, d the decay, and y a normal image over √(H·W). If w has
    several copies, the norm is the root of the mean of their squared norms. The penalty takes the
    new a, through which gradients pass, as in the authors' program. It is an update of its own.

    Args:
        inputs: ``noise/path`` (n, latent), ``direction/path`` (n, H, W, C) normal, and with
            classes ``label/path`` (n, classes); ``fade_in`` (1, 1), if a network reads it.

    Reference: Karras et al. 2020, section 3.2, arXiv:1912.04958; github.com/NVlabs/stylegan2.
    """
    setting = at_step(spec.loss, "loss", inputs).path_length
    if Due.among(spec, inputs).path:
        read = {"noise": inputs["noise/path"]}
        read |= {"label": inputs["label/path"]} if spec.classes else {}
        read |= {FADE_IN: inputs[FADE_IN]} if FADE_IN in inputs else {}
        direction = inputs["direction/path"] * (1.0 / math.sqrt(math.prod(spec.image.shape[:-1])))
        copies, weight = count_copies(spec, setting.layer), setting.weight
        if PATH_FACTOR in inputs:
            weight = weight * inputs[PATH_FACTOR]

        def compute_loss() -> tuple[Tensor, Mapping[str, Tensor]]:
            slope = players.layer_slope("generator", setting.layer, direction, **read)
            lengths = path_lengths(ops, slope, copies)
            average = setting.decay * players.get_running("path_length")
            average = average + (1.0 - setting.decay) * ops.mean(lengths)
            return weight * ops.mean(ops.square(lengths - average)), {"path_length": average}

        _, report = players.learn("generator", compute_loss)
        players.set_running("path_length", report["path_length"])
    return {"path_length": players.get_running("path_length")}
