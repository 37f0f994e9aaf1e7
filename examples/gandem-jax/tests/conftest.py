"""Settings of XLA: it compiles a hundred steps, most of which run a few times, so it optimizes only
the others. Compiled steps are cached for the next process.
"""

import os
from pathlib import Path

import pytest

os.environ["XLA_FLAGS"] = (
    "--xla_backend_optimization_level=2 --xla_cpu_use_fusion_emitters=false"
    " --xla_cpu_parallel_codegen_split_count=1"
)
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).with_name(".cache"))

MANY_STEPS = 200
"""Number of steps for which optimizing is worth it: without, some take a second each."""


@pytest.fixture(autouse=True)
def optimize_long_trainings(request):
    """Let XLA optimize only the steps of long trainings."""
    import jax

    case = request.node.callspec.params.get("case") if hasattr(request.node, "callspec") else None
    is_long = "training_matches" in request.node.name and case.marks[-1] >= MANY_STEPS
    jax.config.update("jax_disable_most_optimizations", not is_long)
