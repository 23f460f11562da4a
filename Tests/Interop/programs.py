"""Where the built programs are; shared by the test folders."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def program():
    """program(NAME) is the path of a built program; a missing one fails the test, it is never skipped."""
    folder = Path(os.environ.get("PEER_TREE_BIN", ROOT / ".build" / "debug"))

    def find(name):
        path = folder / name
        assert path.is_file(), f"{path} is not built: run `swift build`, or set PEER_TREE_BIN to the folder it is in"
        return str(path)

    return find


@pytest.fixture
def peer_tree(program):
    return program("peer-tree")
