"""The files of the browser client, as the server hands them out."""

import gzip
import hashlib
import json
import re

import pytest
import requests
from processes import run, running


@pytest.fixture(scope="module")
def ask(program):
    """ask(PATH, HEADERS...) is the answer, with its body as it was sent."""
    with running(program("peer-tree"), "serve", "--port", 0, "--json") as process:
        address = f"http://127.0.0.1:{process.event('listening')['port']}"

        def request(path, **headers):
            headers = {"Accept-Encoding": None} | {name.replace("_", "-"): value for name, value in headers.items()}
            answer = requests.get(address + path, headers=headers, timeout=10, stream=True)
            answer.body = answer.raw.read(decode_content=False)
            return answer

        yield request


def unpacked(answer):
    coding = answer.headers.get("Content-Encoding")
    if coding == "gzip":
        return gzip.decompress(answer.body)
    if coding == "br":
        return run(["brotli", "--decompress", "--stdout"], 30, input=answer.body, capture_output=True, check=True).stdout
    return answer.body


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None), ("", None), ("identity", None), ("gzip", "gzip"), ("GZIP", "gzip"), ("br", "br"), ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, gzip;q=0.5", "gzip"), ("gzip;q=0", None), ("*", "br"), ("br;q=0, *", "gzip"), ("*;q=0", None), ("xgzip", None),
        ("gzip ; q=1.0", "gzip"), (",;,=;q=", None), ("gzip;q=nonsense", None),
    ],
)
def test_every_file_is_sent_in_the_smallest_form_that_the_client_takes(ask, accepted, coding):
    plain = ask("/peer-tree.js")
    answer = ask("/peer-tree.js", Accept_Encoding=accepted)
    assert answer.status_code == 200
    assert answer.headers.get("Content-Encoding") == coding
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert unpacked(answer) == plain.body
    # A form is not what a cache has under the tag of another.
    again = ask("/peer-tree.js", Accept_Encoding=accepted, If_None_Match=answer.headers["ETag"])
    assert again.status_code == 304
    assert (answer.headers["ETag"] == plain.headers["ETag"]) == (coding is None)


def test_the_module_is_streamed_from_a_file_that_is_named_by_its_content_and_kept_for_ever(ask):
    script = ask("/peer-tree.js")
    assert script.headers["Cache-Control"] == "no-cache"
    [name] = re.findall(r'new URL\("\./(peer-tree-[0-9a-f]{16}\.wasm)",import\.meta\.url\)', script.body.decode())
    binary = ask(f"/{name}", Accept_Encoding="br")
    assert binary.headers["Content-Type"] == "application/wasm"
    assert binary.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert binary.headers["Access-Control-Allow-Origin"] == "*"
    content = unpacked(binary)
    assert content[:4] == b"\0asm"
    # As git names a file.
    assert name[10:26] == hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()[:16]


def test_the_package_is_served_as_one_file(ask):
    answer = ask("/peer-tree-client.tgz", Accept_Encoding="gzip, br")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/gzip")
    assert "Content-Encoding" not in answer.headers and answer.body[:2] == b"\x1f\x8b"
    assert ask("/package/package.json").status_code == 404


def test_every_script_has_a_map_to_its_sources(ask, root):
    for path in ["/peer-tree.js", "/peer-tree-client.js", "/pages/watch.js", "/pages/broadcast.js", "/pages/dashboard.js"]:
        script = ask(path).body.decode()
        [name] = re.findall(r"//# sourceMappingURL=(\S+)\s*$", script)
        answer = ask(f"{path.rpartition('/')[0]}/{name}")
        assert answer.headers["Content-Type"] == "application/json"
        map = json.loads(answer.body)
        sources = dict(zip(map["sources"], map["sourcesContent"], strict=True))
        assert len(sources) > 3
        for source, text in sources.items():
            file = root / "Web" / source.removeprefix("../")
            assert not file.is_file() or file.read_text() == text, source
        assert any((root / "Web" / source.removeprefix("../")).is_file() for source in sources)


def test_everybody_says_the_same_version(ask, root, program):
    done = run([program("peer-tree"), "--version"], 30, capture_output=True, text=True, check=True)
    version = done.stdout.strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[0-9a-z.]+)?", version)
    status = json.loads(ask("/status").body)
    assert (status["version"], status["client"]) == (version, version)
    for path in ["/peer-tree.js", "/peer-tree-client.js", "/pages/watch.js"]:
        assert ask(path).body.startswith(f"/*! peer-tree {version} */".encode())
    for path in ["/", "/watch/anything", "/dashboard"]:
        assert f"peer-tree {version}</footer>" in ask(path).body.decode()
    newest = re.search(r"^## (\S+)$", (root / "CHANGELOG.md").read_text(), re.MULTILINE)[1]
    assert newest == version, "CHANGELOG.md begins with another version"
