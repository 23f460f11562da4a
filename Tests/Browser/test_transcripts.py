"""The module for browsers says what the native client says: transcripts of memberships, played to both."""

import difflib
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT
from playwright._impl._driver import compute_driver_executable

sys.path.append(str(ROOT / "Web"))

from boundary import boundary_source  # noqa: E402

TRANSCRIPTS = sorted((ROOT / "Tests" / "Transcripts").glob("*.txt"))
# The program that drives the browsers brings Node along.
NODE = compute_driver_executable()[0]
WASM = ROOT / ".build" / "web" / "peer-tree.wasm"


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """A folder with the machine of the browser client and what it imports."""
    folder = tmp_path_factory.mktemp("modules")
    shutil.copy(ROOT / "Web" / "src" / "machine.js", folder)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "boundary.js").write_text("\n".join(boundary_source()))
    return folder


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=lambda path: path.stem)
def test_the_module_says_what_the_native_client_says(modules, transcript):
    replay = transcript.with_name("replay.mjs")
    assert WASM.is_file(), "the module is not built: Scripts/web"
    got = subprocess.run([NODE, replay, modules, WASM, transcript], capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, got.stderr
    expected = transcript.read_text().splitlines()
    assert len(expected) > 5
    assert list(difflib.unified_diff(expected, got.stdout.splitlines(), "written", "said", lineterm="", n=3)) == []
