"""The lab and its peers, as fixtures. Where namespaces are not allowed everything here is skipped, with the reason."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT / "Tests" / "Interop")]

import lab as laboratories  # noqa: E402
import peers  # noqa: E402
from programs import peer_tree, program  # noqa: E402, F401
from standing import pytest_exception_interact  # noqa: E402, F401

REASON = laboratories.why_not()


def pytest_collection_modifyitems(items):
    if REASON is None:
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason=REASON))


def pytest_terminal_summary(terminalreporter):
    if REASON is not None:
        terminalreporter.write_line(f"The NAT lab was skipped: {REASON}")


@pytest.fixture
def lab(tmp_path):
    with laboratories.laboratory(tmp_path) as made:
        yield made


@pytest.fixture
def peer(lab, program):
    """peer(SIDE, OPTION...) starts a peer in a host of the lab."""
    started = []

    def start(side, *options):
        started.append(peers.Peer(lab, side, program("webrtc-interop"), *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()
