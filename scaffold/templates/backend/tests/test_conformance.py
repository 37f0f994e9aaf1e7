"""The backend, held to stored numbers: every layer, loss and optimizer.

Once the engine is your own, `BackendConformance` instead adds whole training steps, and takes
minutes.
"""

from gandem.testing import OperationConformance


class TestExample(OperationConformance):
    backend = "my-plugin/example"
