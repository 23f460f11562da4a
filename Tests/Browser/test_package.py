"""The npm package, as people who build pages use it: packed, installed, bundled, typed."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import tarfile
import threading

import pytest
from conftest import ROOT
from processes import run
from scene import SOURCE

PACKAGE = ROOT / "dist" / "package"
TYPES = ROOT / "Tests" / "Browser" / "types"
EXAMPLE = ROOT / "Examples" / "browser"


def npm(folder, *arguments):
    """npm, which reaches no registry."""
    command = ["npm", *arguments, "--offline", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", folder / "cache"]
    return run(command, 60, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """An empty project into which the packed package was installed."""
    folder = tmp_path_factory.mktemp("project")
    assert (PACKAGE / "package.json").is_file(), "the package is not built: Scripts/web"
    (folder / "package.json").write_text('{ "name": "app", "private": true, "type": "module" }')
    packed = npm(folder, "pack", PACKAGE, "--silent", "--pack-destination", folder).split()[-1]
    npm(folder, "install", folder / packed)
    return folder


@contextlib.contextmanager
def hosted(folder):
    """A server of files, as those who build pages have one."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def names_of(declarations, name):
    """The members that a class or an interface of a declaration file has."""
    body = re.search(rf"^export (?:declare )?(?:class|interface) {name}\b[^{{]*\{{\n(.*?)^\}}", declarations, re.DOTALL | re.MULTILINE)[1]
    return set(re.findall(r"^  (?:readonly )?(\w+)\??[(:<]", body, re.MULTILINE)) - {"constructor"}


def test_the_package_says_what_it_is_and_has_what_it_names(project):
    installed = project / "node_modules" / "peer-tree-client"
    said = json.loads((installed / "package.json").read_text())
    assert said["version"] == run([ROOT / ".build" / "debug" / "peer-tree", "--version"], 30, capture_output=True, text=True).stdout.strip()
    assert {"README.md", "LICENSE", "CHANGELOG.md"} <= {path.name for path in installed.iterdir()}
    named = [said[key] for key in ["main", "module", "types", "unpkg"]]
    for target in said["exports"].values():
        named += [target] if isinstance(target, str) else list(target.values())
    for name in named:
        assert (installed / name).is_file(), name
    with tarfile.open(ROOT / "dist" / "peer-tree-client.tgz") as archive:
        served = {name.removeprefix("package/") for name in archive.getnames()} - {"package"}
    assert served == {path.name for path in PACKAGE.iterdir()}


def test_the_types_fit_a_file_that_uses_all_of_them(project):
    shutil.copytree(TYPES, project, dirs_exist_ok=True)
    done = run(["tsc", "--project", project], 120, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    used = "\n".join(path.read_text() for path in TYPES.glob("*.ts"))
    for path in PACKAGE.glob("*.d.ts"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        declared = re.findall(r"^ +(?:readonly )?(\w+)\??[(:<]", text, re.MULTILINE)
        declared += re.findall(r"^export (?:declare )?(?:class|interface|type|const|function) (\w+)", text, re.MULTILINE)
        unused = [name for name in declared if name != "constructor" and not re.search(rf"\b{name}\b", used)]
        assert unused == [], path.name


async def test_the_types_name_all_that_there_is_and_nothing_else(serve, open_page):
    declarations = (PACKAGE / "peer-tree.d.ts").read_text()
    with serve() as server:
        page = await open_page("chromium", server)
        there = await page.evaluate(
            """async (origin) => {
              const api = await import(`${origin}/peer-tree.js`);
              const chain = (value) => (value && value !== Object.prototype ? [value, ...chain(Object.getPrototypeOf(value))] : []);
              const members = (value) => [...new Set(chain(value).flatMap(Object.getOwnPropertyNames))].filter((name) => name !== 'constructor');
              const client = new api.PeerTreeClient(origin);
              await client.create();
              const socket = new api.SocketIOClient(origin);
              const result = {
                exports: Object.keys(api), client: members(client), socket: members(socket),
                statistics: Object.keys(await client.statistics()),
              };
              socket.close();
              client.destroy();
              return result;
            }""",
            server,
        )
    exported = re.findall(r"^export (?:class|const|function) (\w+)", declarations, re.MULTILINE) + ["default"]
    assert set(there["exports"]) == set(exported)
    assert set(there["client"]) == names_of(declarations, "PeerTreeClient")
    assert set(there["socket"]) == names_of(declarations, "SocketIOClient")
    assert set(there["statistics"]) == names_of(declarations, "Statistics") | names_of(declarations, "PeerStatus")
    swift = (ROOT / "Sources" / "PeerTreeWeb" / "Boundary.swift").read_text()
    options = re.search(r"enum Option.*?\{(.*?)\n\}", swift, re.DOTALL)[1]
    options = {name for line in re.findall(r"case (.*)", options) for name in line.split(", ")}
    elsewhere = names_of(declarations, "ClientOptions") | {"discoverTimeout", "encrypted", "deliversMessages"}
    assert options - elsewhere == names_of(declarations, "Limits")


async def test_a_bundled_example_plays_a_live_tree(project, serve, open_page, browsers):
    public = project / "public"
    public.mkdir()
    shutil.copy(EXAMPLE / "index.html", public)
    shutil.copy(EXAMPLE / "app.js", project)
    command = ["esbuild", "app.js", "--bundle", "--format=esm", "--loader:.wasm=file", "--outfile=public/app.js", "--log-level=warning"]
    assert run(command, 30, cwd=project, capture_output=True, text=True, check=True).stderr == ""
    with serve(k=1, k1=1) as server, hosted(public) as host:
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {})
        context = await (await browsers("chromium")).new_context()
        try:
            for place in ["In the tree, feeding 0 others", "In the tree, feeding 0 others"]:
                page = await context.new_page()
                page.on("console", lambda message: print(message.type, message.text))
                await page.goto(f"{host}/index.html?server={server}&tree={tree}")
                await page.wait_for_function("() => document.querySelector('video').currentTime > 0.5")
                assert await page.inner_text("#place") == place
            first = context.pages[0]
            await first.wait_for_function("() => document.getElementById('place').textContent === 'In the tree, feeding 1 others'")
        finally:
            await context.close()


async def test_the_lines_of_the_readme_play_a_live_tree(project, serve, open_page, browsers):
    public = project / "lines"
    text = (ROOT / "README.md").read_text()
    lines = re.search(r"^npm install \S+\n(echo .*?)^```$", text, re.DOTALL | re.MULTILINE)[1].replace("public", "lines")
    run(["bash", "-ec", lines], 30, cwd=project, capture_output=True, text=True, check=True)
    with serve() as server, hosted(public) as host:
        element = re.search(r"^<peer-tree-player .*$", text, re.MULTILINE)[0]
        source = await open_page("chromium", server)
        tree = await source.evaluate(SOURCE, {})
        element = element.replace("http://127.0.0.1:3000", server).replace('tree="ID"', f'tree="{tree}"')
        (public / "index.html").write_text(f'<!doctype html><script type="module" src="app.js"></script>{element}')
        context = await (await browsers("chromium")).new_context()
        try:
            page = await context.new_page()
            await page.goto(host)
            await page.wait_for_function("() => document.querySelector('peer-tree-player').video.currentTime > 0.5")
        finally:
            await context.close()
