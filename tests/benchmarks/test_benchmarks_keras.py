"""What gandem's speed on Keras is measured against: plain loops that train the same networks."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gandem.core.registry import load_spec
from gandem.core.spec import plan_spec

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
MODELS = ("dcgan", "cgan", "sevens", "dcgan-dropout", "mlp-gan", "wgan-gp")
CHILD = """
import json, sys
import numpy as np

sys.path.insert(0, sys.argv[1])
from {module} import {table}

draw = np.random.default_rng(0)
images = draw.integers(256, size=({images}, 28, 28, 1), dtype=np.uint8)
labels = draw.integers(10, size={images})
found = {{}}
for model in {models}:
    loop = {table}[model](images, labels)
    before = [{weights} for player in loop.players]
    found[model] = {{"sizes": [sum(weight.size for weight in player) for player in before]}}
    if model in {trained}:
        loop(3)
        after = [{weights} for player in loop.players]
        pairs = [zip(*pair, strict=True) for pair in zip(before, after, strict=True)]
        still = [sum(bool(np.all(a == b)) for a, b in pair) for pair in pairs]
        found[model] |= {{"still": still, "losses": loop.losses}}
print(json.dumps({{"models": found, "gandem": [m for m in sys.modules if m.startswith("gandem")]}}))
"""
WEIGHTS = {
    "EXPERTS": "[np.array(w) for w in player.weights]",
    "NOTEBOOKS": "[np.array(w) for w in trained(player)]",
}
TRAINED = """
def trained(player):
    player.trainable = True
    return player.trainable_weights
"""

pytestmark = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow")


def measured(table: str, *, trained: tuple[str, ...]) -> dict[str, Any]:
    """Build all loops, and train with some, in a process of its own: torch may be in this one."""
    code = TRAINED + CHILD.format(
        module=f"{table.lower()}_keras",
        table=table,
        models=MODELS,
        trained=trained,
        weights=WEIGHTS[table],
        images=66,  # so that the second of every two batches has 2
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(SPEED)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["gandem"] == []
    return found["models"]


def sizes_of(model: str) -> list[int]:
    plans = plan_spec(load_spec(model))
    return [
        sum(p.size for p in plans[player].parameters()) for player in ("generator", "discriminator")
    ]


def test_experts_train_the_networks_of_gandem():
    found = measured("EXPERTS", trained=("mlp-gan", "wgan-gp"))

    assert {model: row["sizes"] for model, row in found.items()} == {m: sizes_of(m) for m in MODELS}
    assert found["mlp-gan"]["still"] == [0, 0]
    assert found["wgan-gp"]["still"] == [0, 1]  # no slope leads to a critic's last bias
    for model in ("mlp-gan", "wgan-gp"):
        assert all(math.isfinite(loss) for loss in found[model]["losses"])


def test_notebooks_train_the_networks_of_gandem():
    found = measured("NOTEBOOKS", trained=("mlp-gan",))

    assert {model: row["sizes"] for model, row in found.items()} == {m: sizes_of(m) for m in MODELS}
    assert found["mlp-gan"]["still"] == [0, 0]
    assert all(math.isfinite(loss) for loss in found["mlp-gan"]["losses"])
