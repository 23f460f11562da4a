"""What the tests of this folder share. They run the programs in the folder PEER_TREE_BIN (default: the debug build)."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def program():
    """program(NAME) is the path of a built program; a missing one fails the test, it is never skipped."""
    folder = Path(os.environ.get("PEER_TREE_BIN", ROOT / ".build" / "debug"))

    def find(name):
        path = folder / name
        assert path.is_file(), f"{path} is not built: run `swift build`, or set PEER_TREE_BIN to the folder it is in"
        return str(path)

    return find


@pytest.fixture(scope="session")
def ffmpeg():
    """ffmpeg(ARGUMENT...) runs ffmpeg and returns what it complains about."""

    def run(*arguments):
        command = ["ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-y", *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
        return done.stderr if done.returncode == 0 else f"exit code {done.returncode}\n{done.stderr}"

    return run
