"""Makes a package callable, for a public function that has the name of its package.

``gandem.parity`` is a package and also a public function. Python sets the attribute ``parity`` of
``gandem`` to the package whenever that is imported, so the package itself takes the call.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    _function: Callable[..., Any]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._function(*arguments, **options)


def make_callable(name: str, function: Callable[..., Any]) -> None:
    """Let the imported module ``name`` be called like ``function``."""
    module = sys.modules[name]
    module.__class__ = _CallableModule
    vars(module).update(
        _function=function, __signature__=inspect.signature(function), __doc__=function.__doc__
    )
