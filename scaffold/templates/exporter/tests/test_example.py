"""The file holds the weights of the run."""

import numpy as np
from gandem.core.export import export_runs
from gandem.testing import make_run


def test_the_file_has_the_weights_of_the_run(tmp_path):
    run = make_run("mlp-gan")  # with random weights

    path = tmp_path / "network.npz"
    export = export_runs([run], "my-plugin/example", path)

    assert export.difference == 0
    with np.load(export.path) as file:
        assert len(file.files) == len(run.network().arrays)
