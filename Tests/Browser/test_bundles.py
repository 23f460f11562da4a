"""The scripts of the client, wherever a page has them from."""

import re

import pytest
import requests

BROWSERS = ["chromium", "firefox"]

IMPORT = """async ([address, wasm]) => {
  const { PeerTreeClient } = await import(`${address}/peer-tree.js`);
  const client = new PeerTreeClient(location.origin, { wasm });
  const [tree, error] = await client.create().then((tree) => [tree, null], (error) => [null, error]);
  const { engine } = await client.statistics();
  client.destroy();
  return { hasTree: Boolean(tree), engine, code: error?.code, message: error?.message };
}"""


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_module_of_another_origin_brings_its_wasm_and_its_worker(serve, open_page, browser):
    with serve() as server, serve() as other:
        page = await open_page(browser, server)
        said = await page.evaluate(IMPORT, [other, None])
        assert (said["hasTree"], said["engine"]) == (True, "page"), said


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_page_says_where_the_wasm_is_and_is_told_if_it_is_not_there(serve, open_page, browser):
    with serve() as server:
        page = await open_page(browser, server)
        for place in ["/nothing.wasm", "/healthz"]:
            said = await page.evaluate(IMPORT, [server, place])
            assert (said["hasTree"], said["code"]) == (False, "no-wasm"), said
            assert "opts.wasm" in said["message"]
        assert f"{server}/nothing.wasm answers 404" in (await page.evaluate(IMPORT, [server, "/nothing.wasm"]))["message"]
        [name] = re.findall(r"peer-tree-[0-9a-f]{16}\.wasm", requests.get(f"{server}/peer-tree.js", timeout=10).text)
        assert (await page.evaluate(IMPORT, [server, f"/{name}"]))["hasTree"]
        compiled = IMPORT.replace("{ wasm }", "{ wasm: await WebAssembly.compileStreaming(fetch(wasm)) }")
        assert (await page.evaluate(compiled, [server, f"/{name}"]))["hasTree"]
