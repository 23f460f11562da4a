"""A short run of the fuzzer of the Socket.IO library; ten million inputs are for the release build."""

from processes import run


def test_mutated_messages_break_nothing(program):
    done = run(
        [program("socketio-fuzz"), "--inputs", "120000", "--seed", "7"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no finding" in done.stdout
