"""`peer-tree serve` takes its settings from flags, the environment and a file, and says what is wrong with one."""

import json
import os
import re

import processes
import pytest


@pytest.fixture(scope="module")
def serve(program):
    """serve(ARGUMENT..., **ENVIRONMENT) runs the command and returns the finished process."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PEER_TREE_")}

    def run(*arguments, **environment):
        command = [program("peer-tree"), "serve", *map(str, arguments)]
        return processes.run(command, env=clean | environment, capture_output=True, text=True, timeout=30)

    return run


@pytest.fixture
def shown(serve):
    """shown(...) is what --show-configuration prints."""

    def run(*arguments, **environment):
        done = serve(*arguments, "--show-configuration", **environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def file(tmp_path):
    """file(OBJECT) is a configuration file."""

    def write(value):
        path = tmp_path / "peer-tree.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    return write


def test_flags_win_over_the_environment_and_the_environment_over_the_file(shown, file):
    path = file({"port": 1, "k": 2, "k1": 3})
    got = shown("--config", path, "--port", 4, PEER_TREE_PORT="5", PEER_TREE_K="6")
    assert got["port"] == {"value": 4, "origin": "flag"}
    assert got["k"] == {"value": 6, "origin": "environment"}
    assert got["k1"] == {"value": 3, "origin": "file"}
    assert got["host"] == {"value": "127.0.0.1", "origin": "default"}


def test_the_file_can_be_named_in_the_environment(shown, file):
    assert shown(PEER_TREE_CONFIG=str(file({"k": 7})))["k"] == {"value": 7, "origin": "file"}


def test_a_list_is_an_array_in_a_file_and_has_commas_elsewhere(shown, file):
    both = ["https://a.example", "https://b.example"]
    assert shown("--config", file({"origins": both}))["origins"]["value"] == both
    assert shown(PEER_TREE_ORIGINS=", ".join(both))["origins"]["value"] == both


@pytest.mark.parametrize("value, text", [(0, "0"), ("x", '"x"'), (True, "true"), (1.5, "1.5"), ([1], "[1]")])
def test_a_wrong_value_in_a_file_is_named_with_what_is_allowed(serve, file, value, text):
    path = file({"k": value})
    done = serve("--config", path)
    assert done.returncode == 64
    assert f"'k' in {path} must be 1 to 64, not {text}." in done.stderr


@pytest.mark.parametrize("flags, environment, sentence", [
    (["--port", "70000"], {}, "--port must be 0 to 65535, not 70000."),
    (["--k", "many"], {}, "--k must be 1 to 64, not many."),
    (["--log-level", "loud"], {}, "--log-level must be trace, debug, info, notice, warning, error or critical, not loud."),
    (["--origins", "example.org"], {}, "--origins must be * or origins such as https://example.org, not example.org."),
    ([], {"PEER_TREE_EVENTS_PER_SECOND": "-1"}, "PEER_TREE_EVENTS_PER_SECOND must be 1 to 1000000, not -1."),
    ([], {"PEER_TREE_RESUME_WINDOW": "soon"}, "PEER_TREE_RESUME_WINDOW must be 0 to 86400 seconds, not soon."),
])
def test_a_wrong_value_elsewhere_is_named_with_what_is_allowed(serve, flags, environment, sentence):
    done = serve(*flags, **environment)
    assert done.returncode == 64
    assert sentence in done.stderr


def test_a_misspelt_setting_in_a_file_is_refused(serve, file):
    path = file({"max-treez": 5})
    done = serve("--config", path)
    assert done.returncode == 64
    assert f"'max-treez' in {path} is not a setting" in done.stderr


def test_a_file_that_is_not_json_or_not_there_is_refused(serve, file, tmp_path):
    assert serve("--config", file("port = 5")).returncode == 64
    done = serve("--config", tmp_path / "absent.json")
    assert done.returncode == 66
    assert "absent.json' cannot be read" in done.stderr


def test_every_setting_is_in_the_help_and_in_the_documentation_with_its_default(serve, shown, root):
    help_text = re.sub(r"\s+", " ", serve("--help").stdout)
    manual = (root / "Documentation" / "PeerTree.docc" / "Operations.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| ([^|]*) \|", manual, re.MULTILINE))
    for name, setting in shown().items():
        value = ",".join(setting["value"]) if isinstance(setting["value"], list) else str(setting["value"])
        value = value.removesuffix(".0")
        assert f"--{name} " in help_text, f"--{name} has no help"
        assert rows.get(name, "absent").strip(" `") == (value or "none"), f"Operations.md on {name}"
