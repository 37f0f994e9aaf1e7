"""XLA compiles a hundred small steps here, each to run a few times: half the effort will do, and
what one process compiled serves the next.
"""

import os
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(__file__).with_name(".cache"))
