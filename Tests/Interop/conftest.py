"""What the tests of this folder share. They run the programs in the folder PEER_TREE_BIN (default: the debug build)."""

import subprocess
from pathlib import Path

import pytest
from programs import program  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def ffmpeg():
    """ffmpeg(ARGUMENT...) runs ffmpeg and returns what it complains about."""

    def run(*arguments):
        command = ["ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-y", *map(str, arguments)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
        return done.stderr if done.returncode == 0 else f"exit code {done.returncode}\n{done.stderr}"

    return run
