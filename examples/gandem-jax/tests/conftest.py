"""XLA compiles a hundred steps here, most of them to run a few times, so it optimizes few; compiled
steps are kept for the next process.
"""

import os
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).with_name(".cache"))

LONG_WALK = 200
"""Steps that are worth optimizing: without, some take a second each."""


@pytest.fixture(autouse=True)
def effort(request):
    """Optimize only the steps of long walks."""
    import jax

    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    is_long = "same_path" in request.node.name and case.marks[-1] >= LONG_WALK
    jax.config.update("jax_disable_most_optimizations", not is_long)
