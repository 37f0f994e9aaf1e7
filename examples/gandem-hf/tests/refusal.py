"""The error message of a data set that cannot be loaded."""

import pytest
from gandem.core.data.dataset import load_dataset
from gandem.core.errors import DataError


def refused(argument, data_dir=None):
    """Return the one line of an error, without the name of the request."""
    with pytest.raises(DataError) as caught:
        load_dataset(f"hf:{argument}", data_dir)
    (line,) = str(caught.value).splitlines()
    return line.removeprefix(f"hf:{argument}: ")
