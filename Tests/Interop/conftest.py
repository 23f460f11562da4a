"""What the tests of this folder share. They run the programs in the folder PEER_TREE_BIN (default: the debug build)."""

import contextlib
from pathlib import Path

import processes
import pytest
from programs import program  # noqa: F401
from standing import pytest_exception_interact  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def start():
    """start(COMMAND...) runs a program beside the test; it ends with the test at the latest."""
    with contextlib.ExitStack() as stack:
        yield lambda *command: stack.enter_context(processes.running(*command))


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def ffmpeg():
    """ffmpeg(ARGUMENT...) runs ffmpeg and returns what it complains about."""

    def run(*arguments):
        command = ["ffmpeg", "-hide_banner", "-nostdin", "-v", "warning", "-y", *map(str, arguments)]
        done = processes.run(command, capture_output=True, text=True, timeout=120)
        return done.stderr if done.returncode == 0 else f"exit code {done.returncode}\n{done.stderr}"

    return run
