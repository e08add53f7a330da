"""Models that several tests share: the embedded one, and tiny untrained ones made offline."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import settings

from layergram.errors import LayergramError

settings.register_profile("layergram", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("layergram")


def pytest_collection_modifyitems(items):
    """A test that asks for the embedded model is slow."""
    for item in items:
        if "smollm2" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def smollm2():
    """The embedded model as a Source, out of the user's cache (fetched and converted if needed)."""
    from layergram.models.sources.open import open_source

    try:
        return open_source("smollm2", device="cpu")
    except LayergramError as error:
        pytest.fail(f"the embedded model is not to be had:\n{error}", pytrace=False)


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory):
    """A folder with an untrained llama (3 layers, 4 heads, 2 KV heads) and a byte-level tokenizer.

    Session-scoped: copy it before changing anything in it.
    """
    from tiny_llama import write_folder

    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    write_folder(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_gguf(tiny_llama_folder):
    """The tiny llama as a GGUF file, with its tokenizer in it, as llama.cpp would write it."""
    from tiny_llama import write_gguf

    path = tiny_llama_folder.parent / "tiny.gguf"
    write_gguf(tiny_llama_folder, path)
    return path


@pytest.fixture(scope="session")
def tiny(tiny_llama_folder):
    """The tiny llama, loaded and proved."""
    from layergram.models.load import load

    return load(str(tiny_llama_folder), device="cpu")


@pytest.fixture
def folder(tmp_path):
    """A run's folder, open and locked until the test ends."""
    from layergram.storage.folder import RunFolder

    with RunFolder(tmp_path / "run") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser():
    """The installed Chromium; a test that asks for it is skipped where there is none.

    Closed after each file: while it is open, no test can run an event loop of its own.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
