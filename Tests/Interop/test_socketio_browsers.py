"""The server against the real socket.io-client 4.8.1 in Chromium and Firefox, on a page that the server serves."""

import shutil

import pytest
from playwright.sync_api import sync_playwright

from engine import BEATING, echo_server
from processes import running

TRANSPORTS = [["polling"], ["websocket"], ["polling", "websocket"]]
BINARY = {"bytes": [0, 1, 254, 255]}
EXCHANGED = [[1, "2", {"3": [True]}], ["é😀", None, 1.5], [BINARY, {"b": [BINARY]}], ["x" * 200_000]]


@pytest.fixture(scope="module")
def pages(root, tmp_path_factory):
    """A folder with the page, the client, and nothing else."""
    client = root / ".venv" / "apart" / "nicegui" / "static" / "socket.io.min.js"
    assert client.is_file(), f"{client} is missing: run Scripts/bootstrap test"
    assert b"Socket.IO v4.8.1" in client.read_bytes()[:200]
    folder = tmp_path_factory.mktemp("pages")
    shutil.copy(client, folder)
    shutil.copy(root / "Tests" / "Interop" / "socketio_page.js", folder)
    (folder / "index.html").write_text(
        "<!doctype html><title>socket.io-client</title>"
        "<script src='socket.io.min.js'></script><script src='socketio_page.js'></script>"
    )
    return folder


@pytest.fixture(scope="module", params=["chromium", "firefox"])
def browser(request):
    with sync_playwright() as playwright:
        if request.param == "chromium":
            path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
            launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        else:
            path = shutil.which("firefox-esr") or shutil.which("firefox")
            launched = playwright.firefox.launch(executable_path=path, channel="moz-firefox")
        assert path, f"{request.param} is not installed: run Scripts/bootstrap test"
        yield launched
        launched.close()


@pytest.fixture
def server(program, pages):
    with echo_server(program("socketio-echo"), "--pages", pages, "--recovery", *BEATING) as echo:
        yield echo


@pytest.fixture
def page(browser, server):
    context = browser.new_context()
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    opened.goto(f"http://127.0.0.1:{server.port}/index.html")
    yield opened
    context.close()


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_events_binary_acknowledgements_and_heartbeats(page, transports):
    result = page.evaluate("transports => window.echo(transports)", transports)
    assert result["auth"][0] == {"token": "123"}
    assert [back[: len(sent)] for back, sent in zip(result["back"], EXCHANGED, strict=True)] == EXCHANGED
    assert result["acknowledged"] == EXCHANGED
    assert result["transport"] == transports[-1]
    assert result["stillConnected"]
    assert result["gone"][0] == "io client disconnect"
    assert result["id"] != result["engine"]


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_namespaces_refusals_timeouts_and_volatile_events(page, transports):
    result = page.evaluate("transports => window.namespaces(transports)", transports)
    assert [answer[0] for answer in result["answers"]] == [{"a": 1}, {"b": 2}]
    assert result["refusal"] == "Invalid namespace"
    assert result["silent"] == "operation has timed out"
    assert result["volatile"][0] == "volatile"
    assert result["differ"]


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_a_page_comes_back_when_the_server_was_killed(page, server, transports):
    first = page.evaluate("transports => window.stay(transports)", transports)
    server.restart()
    result = page.evaluate("() => window.comeBack()")
    assert result["reason"][0] in ("transport close", "transport error")
    assert result["id"] != first
    assert result["back"][0] == "again"


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_a_page_that_lost_its_connection_gets_what_it_missed(page, transports):
    result = page.evaluate("transports => window.recover(transports)", transports)
    assert result == {
        "recovered": True,
        "sameID": True,
        "heard": [["before"], ["meanwhile", {"bytes": [7]}], ["after"]],
    }


def test_the_chat_example_is_a_plain_page(browser, root, program):
    client = root / ".venv" / "apart" / "nicegui" / "static" / "socket.io.min.js"
    with running(program("chat"), "--port", "0", "--client", str(client)) as chat:
        url = chat.line()
        pages = {}
        for name in ["ann", "bob"]:
            pages[name] = browser.new_context().new_page()
            pages[name].set_default_timeout(20_000)
            pages[name].goto(f"{url}?name={name}")
            pages[name].wait_for_selector("li:text('Connected')")
        pages["ann"].wait_for_selector("li:text('bob has come')")
        pages["bob"].fill("#text", "hello <b>all</b>")
        pages["ann"].wait_for_selector("p:text('bob is typing')")
        pages["bob"].press("#text", "Enter")
        for page in pages.values():
            page.wait_for_selector("li:text('bob: hello <b>all</b>')")
        pages["bob"].wait_for_selector("li:text('(delivered)')")
        pages["bob"].close()
        pages["ann"].wait_for_selector("li:text('bob has gone')")
        nameless = browser.new_context().new_page()
        nameless.goto(f"{url}?name=")
        nameless.wait_for_selector("li:text('A name of 1 to 20 characters, please')")
