"""The data set that a user names: ``PATH_OR_NAME[#key=value,key=value]``."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from gandem.core.errors import DataError, suggest

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """What follows the colon in ``--data hf:…``, taken apart.

    >>> Request.parse("ylecun/mnist#split=test,size=32x32").size
    (32, 32)

    Attributes:
        source: a path, or a name on the Hub.
        split: which part, as the library takes it: ``train``, ``test[:1000]``, ``train+test``.
        config: the variant, where a data set has several.
        revision: a commit, tag or branch of the Hub's; left out, the newest.
        image: the column of images; left out, the only one there is.
        label: the column of labels, ``none`` for no labels; left out, the only one of classes, or
            the one called ``label``.
        size: height and width to crop and scale to; left out, images stay as they are.
        channels: 1 or 3; left out, what the first image has.
    """

    source: str
    split: str = "train"
    config: str = ""
    revision: str = ""
    image: str = ""
    label: str = ""
    size: tuple[int, int] | None = None
    channels: int | None = None

    @property
    def labeled(self) -> bool:
        """Whether labels are wanted."""
        return self.label.lower() != "none"

    @classmethod
    def parse(cls, argument: str) -> Request:
        """Read an argument.

        Raises:
            DataError: it names nothing, or has an option that does not exist or cannot be.
        """
        source, _, rest = argument.partition("#")
        if not source:
            raise DataError(
                "hf: expected a name or a path, received none. Use --data hf:ylecun/mnist."
            )
        known = [field.name for field in fields(cls)][1:]
        options: dict[str, str] = {}
        for part in filter(None, rest.split(",")):
            key, equals, value = part.partition("=")
            if key not in known:
                raise DataError(f"hf:{argument}: there is no option {key!r}.{suggest(key, known)}")
            if not equals or not value or key in options:
                raise DataError(f"hf:{argument}: write {key}=VALUE, once.")
            options[key] = value
        return cls(
            source,
            **{key: value for key, value in options.items() if key not in ("size", "channels")},
            size=_size(options.get("size"), argument),
            channels=_channels(options.get("channels"), argument),
        )


def _size(text: str | None, argument: str) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if match is None:
        raise DataError(
            f"hf:{argument}: expected a size HEIGHTxWIDTH, like 28x28, received {text!r}."
        )
    return int(match[1]), int(match[2])


def _channels(text: str | None, argument: str) -> int | None:
    if text not in (None, "1", "3"):
        raise DataError(f"hf:{argument}: expected channels=1 or channels=3, received {text!r}.")
    return int(text) if text else None
