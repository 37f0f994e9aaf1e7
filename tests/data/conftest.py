import pytest
from support.image_folders import write_folder, write_zip


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path, monkeypatch):
    """Return a function that writes files as a folder or a zip file, and returns its path."""
    monkeypatch.setenv("GANDEM_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def write(files):
        path = "images.zip" if request.param == "zip" else "images"
        (write_zip if request.param == "zip" else write_folder)(tmp_path / path, files)
        return path

    return write
