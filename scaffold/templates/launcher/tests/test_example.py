"""The launcher runs every job and returns its result."""

from my_plugin import example


def test_each_job_has_a_future_with_its_result(tmp_path, monkeypatch):
    monkeypatch.setattr(example, "run_job", lambda job: f"{job} is done")
    launcher = example.load(workers=1, address=None, folder=tmp_path)

    futures = launcher.submit(["one", "two"])
    launcher.close()

    assert [future.result() for future in futures] == ["one is done", "two is done"]
