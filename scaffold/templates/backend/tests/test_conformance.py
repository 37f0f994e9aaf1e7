"""The layers, losses and optimizers of the backend agree with stored numbers.

Once the engine is your own, use `BackendConformance` instead: it adds whole training steps and
takes minutes.
"""

from gandem.testing import OperationConformance


class TestExample(OperationConformance):
    backend = "my-plugin/example"
