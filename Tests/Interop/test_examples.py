"""The examples do what they promise."""

import subprocess


def test_hello_tree_brings_every_message_to_every_viewer_in_order(program):
    done = subprocess.run([program("hello-tree")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("4 peers in tree ")
    for viewer in range(3):
        prefix = f"viewer {viewer}: "
        received = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
        assert received == ["message 1", "message 2", "message 3"]
