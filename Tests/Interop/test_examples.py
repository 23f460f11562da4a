"""The examples do what they promise."""

from processes import run


def test_hello_tree_brings_every_message_to_every_viewer_in_order(program):
    done = run([program("hello-tree")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("4 peers in tree ")
    for viewer in range(3):
        prefix = f"viewer {viewer}: "
        received = [line.removeprefix(prefix) for line in lines if line.startswith(prefix)]
        assert received == ["message 1", "message 2", "message 3"]


def test_data_channel_carries_every_line_and_closes(program):
    done = run([program("data-channel")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "channel chat, protocol lines-1",
        "received message 1",
        "received message 2",
        "received message 3",
        "sent over ECDHE-ECDSA-AES128-GCM-SHA256",
        "closed",
    ]


def test_sctp_pair_delivers_its_message_over_a_path_that_loses_and_shuts_down(program):
    done = run([program("sctp-pair")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["connected", "stream 0: hello", "the association was shut down"]
