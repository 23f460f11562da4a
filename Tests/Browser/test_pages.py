"""The pages, as people use them: start a broadcast, watch it, and everything that can go wrong."""

import hashlib
import io
import signal
from pathlib import Path

import pytest
import requests
import zxingcpp
from conftest import ROOT
from PIL import Image
from processes import own_port
from visitors import broadcast_camera, chromium_without, site, visit  # noqa: F401

BROWSERS = ["chromium", "firefox"]
FAKE_DEVICE = "--use-fake-device-for-media-stream"
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}

# A source that any page can be: it writes whatever it likes.
SOURCE = """async (steps) => {
  const { PeerTreeClient } = await import('/peer-tree.js');
  const client = new PeerTreeClient(location.origin);
  window.client = client;
  const tree = await client.create();
  window.write = (data, options) => client.write(typeof data === 'string' ? data : new Uint8Array(data), options);
  return tree;
}"""


# What a page offers to save; the one script among the blobs is that of the client's own worker.
KEEP_BLOBS = """
window.blobs = [];
const createObjectURL = URL.createObjectURL.bind(URL);
URL.createObjectURL = (blob) => {
  if (blob instanceof Blob && blob.type !== 'text/javascript') window.blobs.push(blob);
  return createObjectURL(blob);
};
"""

DIGEST = """async () => [...new Uint8Array(await crypto.subtle.digest('SHA-256', await window.blobs[0].arrayBuffer()))]
  .map((byte) => byte.toString(16).padStart(2, '0')).join('')"""


def read_code(picture):
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)).convert("L"))
    assert len(found) == 1
    return found[0].text


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_camera_is_seen_by_whoever_has_the_link(peer_tree, visit, browser):  # noqa: F811
    other = "firefox" if browser == "chromium" else "chromium"
    with site(peer_tree, "--k", 1, "--k1", 1) as (address, _):
        source = await visit(browser, address, color_scheme="light")
        await source.screenshot(f"broadcast-idle-{browser}")
        link = await broadcast_camera(source, "Aurora over Tromsø")
        assert read_code(await source.page.locator("#code").screenshot()) == link
        first = await visit(browser, link, color_scheme="dark")
        await first.plays()
        second = await visit(other, link, color_scheme="light")
        await second.plays()
        await second.says("Level 2. You are fed by another viewer")
        await first.says("Level 1. The source feeds you, and you feed 1 viewer.")
        await first.says("Live, ")
        assert await first.page.inner_text("#title") == "Aurora over Tromsø"
        await source.says("2", "#viewers")
        await source.says("1", "#children")
        await source.says("bit/s", "#uplink")
        assert await first.page.evaluate("find('video')[0].muted")
        has_sound = await first.page.evaluate("find('video')[0].srcObject.getAudioTracks().length > 0")
        # Firefox captures no sound on a machine without an audio device.
        assert has_sound or browser == "firefox"
        assert await first.page.is_visible("#unmute") == has_sound
        if has_sound:
            await first.page.click("#unmute")
            assert not await first.page.evaluate("find('video')[0].muted")
            assert await first.page.is_hidden("#unmute")
            await first.page.keyboard.press("m")
        assert await first.page.evaluate("find('video')[0].muted")
        phone = await visit("chromium", link, color_scheme="dark", **PHONE)
        await phone.plays()
        await first.says("bit/s", "#passed")
        for visitor, name in [(source, "broadcast"), (first, "watch"), (second, "watch-other"), (phone, "watch-phone")]:
            await visitor.screenshot(f"{name}-{browser}")
        await source.page.click("#stop")
        await source.says("The broadcast has ended.")
        await first.says("The broadcast has ended")
        await second.says("The broadcast has ended")


async def test_no_page_is_wider_than_a_phone(peer_tree, visit):  # noqa: F811
    with site(peer_tree, "--dashboard", "everybody") as (address, _):
        for path in ["/", "/watch/nothing", "/dashboard"]:
            visitor = await visit("chromium", address + path, color_scheme="light", **PHONE)
            await visitor.page.wait_for_load_state("networkidle")
            width = await visitor.page.evaluate("document.documentElement.scrollWidth")
            assert width <= 390, f"{path} is {width} pixels wide"
            await visitor.screenshot(f"phone-{path.strip('/').replace('/', '-') or 'broadcast'}")


# A headless browser gives its fake camera to everybody: this makes it heed the permission, as others do.
HEED_PERMISSION = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const { state } = await navigator.permissions.query({ name: 'camera' });
  if (state !== 'granted') throw new DOMException('Permission denied', 'NotAllowedError');
  return open(wanted);
};
"""


async def test_a_camera_that_is_denied_is_used_once_it_is_allowed(peer_tree, visit):  # noqa: F811
    with site(peer_tree) as (address, _):
        visitor = await visit("chromium", address, before=HEED_PERMISSION)
        session = await visitor.page.context.new_cdp_session(visitor.page)
        target = (await session.send("Target.getTargetInfo"))["targetInfo"]

        async def set_permission(setting):
            permission = {"permission": {"name": "camera"}, "setting": setting, "origin": address}
            await session.send("Browser.setPermission", permission | {"browserContextId": target["browserContextId"]})

        await set_permission("denied")
        await visitor.page.click("#pick")
        await visitor.says("The browser does not let this page use the camera.", "#notice")
        assert await visitor.page.is_disabled("#start")
        await set_permission("granted")
        await visitor.page.wait_for_selector("#preview:not([hidden])")
        assert await visitor.page.is_hidden("#notice")
        assert await visitor.page.is_enabled("#start")


async def test_where_there_is_no_camera_the_page_says_so(peer_tree, playwright, visit):  # noqa: F811
    with site(peer_tree) as (address, _):
        async with chromium_without(playwright, FAKE_DEVICE) as browser:
            visitor = await visit("chromium", address, browser)
            if await visitor.page.is_hidden("#notice"):
                await visitor.page.click("#pick")
            await visitor.says("No camera was found.", "#notice")


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ("RTCPeerConnection", "This browser has no WebRTC"),
        ("VideoEncoder", "This browser has no WebCodecs"),
    ],
)
async def test_what_the_browser_lacks_is_said_before_anything_is_started(
    peer_tree, visit, lacking, sentence  # noqa: F811
):
    with site(peer_tree) as (address, _):
        visitor = await visit("chromium", address, before=f"delete window.{lacking};")
        await visitor.says(sentence, "#notice")
        assert await visitor.page.is_disabled("#start")
        if lacking == "VideoEncoder":
            await visitor.page.check("[value=text]", force=True)
            assert await visitor.page.is_enabled("#start"), "text needs no codecs"


async def test_a_viewer_without_codecs_is_told_and_passes_the_stream_on(peer_tree, visit):  # noqa: F811
    with site(peer_tree, "--k", 1, "--k1", 1) as (address, _):
        source = await visit("chromium", address)
        link = await broadcast_camera(source)
        without = await visit("chromium", link, before="delete window.VideoDecoder;")
        await without.says("This browser has no WebCodecs. You pass the broadcast on all the same.")
        below = await visit("chromium", link)
        await below.plays()
        await below.says("Level 2.")
        lost = await visit("chromium", link, before="delete window.RTCPeerConnection;")
        await lost.says("it cannot take part in the tree")


@pytest.mark.parametrize("browser", BROWSERS)
async def test_text_is_read_by_everybody_and_never_run(peer_tree, visit, browser):  # noqa: F811
    hostile = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>"
    with site(peer_tree) as (address, _):
        source = await visit(browser, address)
        await source.page.check("[value=text]", force=True)
        await source.page.click("#start")
        await source.page.wait_for_selector("#share:not([hidden])")
        viewer = await visit(browser, await source.page.input_value("#link"))
        await viewer.says("Waiting for the broadcast to begin.")
        for line in ["Good evening", hostile]:
            await source.page.fill("#textInput", line)
            await source.page.keyboard.press("Enter")
        await viewer.page.wait_for_function("() => find('#lines li').length === 2")
        lines = await viewer.page.eval_on_selector_all("#lines li", "(items) => items.map((item) => item.textContent)")
        assert lines == ["Good evening", hostile]
        late = await visit(browser, await source.page.input_value("#link"))
        await late.says("onerror", "#lines")
        for visitor in [source, viewer, late]:
            assert await visitor.page.evaluate("window.hacked") is None
            assert await visitor.page.evaluate("find('#lines img, #sentLines img, script:not([src])').length") == 0
        await viewer.screenshot(f"watch-text-{browser}")


@pytest.mark.parametrize("browser", BROWSERS)
async def test_a_file_arrives_whole_under_a_harmless_name(peer_tree, visit, browser, tmp_path):  # noqa: F811
    content = hashlib.sha512(b"seed").digest() * 20_000
    with site(peer_tree, "--k", 1, "--k1", 1) as (address, _):
        source = await visit(browser, address)
        await source.page.check("[value=file]", force=True)
        await source.page.set_input_files("#fileInput", {"name": "plan <b>.html", "mimeType": "text/html", "buffer": content})
        await source.page.click("#start")
        await source.page.wait_for_selector("#share:not([hidden])")
        link = await source.page.input_value("#link")
        viewers = [await visit(name, link, before=KEEP_BLOBS, accept_downloads=True) for name in [browser, "chromium"]]
        await source.says("2", "#viewers")
        for viewer in viewers:
            await viewer.says("Waiting for the broadcast to begin.")
        await source.page.click("#sendFile")
        await source.says("Sent. Who comes later")
        for index, viewer in enumerate(viewers):
            await viewer.page.wait_for_selector(".download a")
            assert await viewer.page.get_attribute(".download a", "download") == "plan _b_.html"
            assert await viewer.page.evaluate("window.blobs.map(({ type }) => type)") == ["application/octet-stream"]
            assert await viewer.page.evaluate(DIGEST) == hashlib.sha256(content).hexdigest()
            if viewer.name != "chromium":
                continue  # the tool learns of Chromium's downloads only
            async with viewer.page.expect_download() as download:
                await viewer.page.click(".download a")
            saved = await download.value
            await saved.save_as(tmp_path / str(index))
            assert (tmp_path / str(index)).read_bytes() == content
        await viewers[0].screenshot(f"watch-file-{browser}")
        late = await visit("chromium", link)
        await late.says("Level ")
        await source.page.click("#sendFile")
        await late.page.wait_for_selector(".download a")


async def test_a_hostile_source_breaks_nothing(peer_tree, visit):  # noqa: F811
    with site(peer_tree) as (address, _):
        source = await visit("chromium", f"{address}/watch/none")
        tree = await source.page.evaluate(SOURCE)
        viewer = await visit("chromium", f"{address}/watch/{tree}")
        await viewer.says("Waiting for the broadcast to begin.")
        name = "../../a\u202egpj.<script>window.hacked=1</script>\u0000.exe"
        await source.page.evaluate("(name) => write(JSON.stringify({ content: 1, name, type: 'text/html', size: 3 }), { key: 2 })", name)
        await source.page.evaluate("() => write([1, 2, 3])")
        await viewer.page.wait_for_selector(".download a")
        shown = await viewer.page.get_attribute(".download a", "download")
        assert shown == "script_.exe", shown
        # Descriptions and catalogs that are none, frames that are none, and more of it than anybody needs.
        await source.page.evaluate(
            """() => {
              for (const text of ['', '{', 'null', '[]', '{"content":1,"size":-1}', '{"content":1,"name":{}}']) write(text, { key: 2 });
              for (const text of ['{', 'null', '{"media":1,"tracks":[]}', '{"media":9}', '{"media":1,"tracks":[{"kind":"video"}]}']) {
                write(text, { key: 1 });
              }
            }"""
        )
        await viewer.page.wait_for_selector("#notice:not([hidden])")
        print("the viewer was told:", await viewer.page.inner_text("#notice"))
        await source.page.evaluate(
            """() => {
              write(JSON.stringify({ media: 1, live: true, title: '<img src=x onerror="window.hacked=1">', tracks: [
                { id: 1, kind: 'video', codec: 'vp8', codedWidth: 16384, codedHeight: 16384 },
                { id: 2, kind: 'audio', codec: 'opus', sampleRate: 48000, numberOfChannels: 2 },
                { id: 3, kind: 'video', codec: 'nonsense' }] }), { key: 1 });
              for (let size = 0; size < 200; size++) write(crypto.getRandomValues(new Uint8Array(size)), {});
              const frame = new Uint8Array(400);
              frame.set([1, 24, 1, 1]);
              for (let number = 0; number < 50; number++) {
                crypto.getRandomValues(frame.subarray(24));
                frame[7] = number;
                write(frame, { joinPoint: true });
              }
            }"""
        )
        await viewer.says("<img src=x onerror=", "#title")
        assert await viewer.page.evaluate("window.hacked") is None
        assert await viewer.page.evaluate("find('main img, .stage img').length") == 0
        # The page still works.
        assert await viewer.page.is_visible("#place")


async def test_a_link_to_nothing_says_so_and_tries_again(peer_tree, visit):  # noqa: F811
    with site(peer_tree) as (address, _):
        visitor = await visit("chromium", f"{address}/watch/%E0%A4%A", color_scheme="dark")
        await visitor.says("No broadcast here")
        await visitor.says("it shows here by itself")
        await visitor.page.click("#again")
        await visitor.says("No broadcast here")
        await visitor.screenshot("watch-nothing")


@pytest.mark.parametrize("browser", BROWSERS)
async def test_pictures_go_on_while_the_server_is_gone_and_new_viewers_come_when_it_is_back(
    peer_tree, visit, tmp_path, browser  # noqa: F811
):
    settings = ["--k", 1, "--k1", 1, "--state-key", tmp_path / "key"]
    with own_port() as port, site(peer_tree, *settings, port=port) as (address, process):
        source = await visit(browser, address)
        link = await broadcast_camera(source)
        viewer = await visit(browser, link)
        await viewer.plays()
        await viewer.says("Level 1.")
        process.signal(signal.SIGKILL)
        process.wait(10)
        await viewer.says("The server is gone.", "#notice")
        await source.says("The server is gone.", "#notice")
        await viewer.plays()
        waiting = await visit("chromium", "about:blank")
        with site(peer_tree, *settings, port=port):
            await viewer.page.wait_for_selector("#notice", state="hidden")
            await source.page.wait_for_selector("#notice", state="hidden")
            await waiting.page.goto(link)
            await waiting.plays()
            await waiting.says("Level 2.")
            await viewer.plays()


async def test_a_broadcast_that_the_server_forgot_goes_on_under_its_link(peer_tree, visit):  # noqa: F811
    with own_port() as port:
        with site(peer_tree, port=port) as (address, process):
            source = await visit("chromium", address)
            link = await broadcast_camera(source)
            process.signal(signal.SIGKILL)
            process.wait(10)
            await source.says("The server is gone.", "#notice")
        with site(peer_tree, port=port):
            await source.page.wait_for_selector("#notice", state="hidden")
            assert await source.page.input_value("#link") == link
            viewer = await visit("chromium", link)
            await viewer.plays()


async def test_every_page_is_sent_with_a_strict_policy(peer_tree):
    with site(peer_tree, "--dashboard", "everybody") as (address, _):
        host = address.split("//")[1]
        for path in ["/", "/watch/anything", "/dashboard", "/pages/watch.html"]:
            answer = requests.get(address + path, timeout=10)
            assert answer.status_code == 200
            policy = answer.headers["content-security-policy"].split("; ")
            assert "default-src 'none'" in policy
            assert "script-src 'self' 'wasm-unsafe-eval'" in policy
            assert f"connect-src 'self' ws://{host} wss://{host}" in policy
            for part in ["frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "style-src 'self'"]:
                assert part in policy
            assert "unsafe-inline" not in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "camera=(self)" in answer.headers["permissions-policy"]
            assert "<script>" not in answer.text and "<style" not in answer.text and " style=" not in answer.text


async def test_the_policy_stops_what_a_page_must_not_do(peer_tree, browsers):
    with site(peer_tree) as (address, _):
        context = await (await browsers("chromium")).new_context()
        page = await context.new_page()
        await page.goto(address)
        ran = await page.evaluate(
            """async () => {
              const script = document.createElement('script');
              script.textContent = 'window.hacked = 1';
              document.body.append(script);
              const fetched = await fetch('http://127.0.0.2:9/').then(() => 'fetched', () => 'refused');
              // While a tool evaluates something, eval is allowed; later it is not.
              const evaluated = await new Promise((resolve) => setTimeout(() => {
                try { resolve((0, eval)('"ran"')) } catch { resolve('refused') }
              }, 50));
              return [window.hacked ?? null, fetched, evaluated];
            }"""
        )
        assert ran == [None, "refused", "refused"]
        await context.close()


# Modules without a page


def source(url):
    [path] = (ROOT / "Web").glob(f"p*/{Path(url).name}")
    return path


async def evaluate(visit, peer_tree, module, function, values):  # noqa: F811
    with site(peer_tree) as (address, _):
        visitor = await visit("chromium", f"{address}/watch/none")
        await visitor.page.route("**/sources/*", lambda route: route.fulfill(path=source(route.request.url)))
        return await visitor.page.evaluate(
            f"async (values) => {{ const module = await import('/sources/{module}.js'); return values.map(({function})); }}",
            values,
        )


async def test_qr_codes_of_all_sizes_are_read_by_a_reader_nobody_here_wrote(peer_tree, visit):  # noqa: F811
    texts = ["a", "https://example.org/watch/c9kj5f55mczjb5txe7qlzut28", "grüße 🌳"]
    texts += ["x" * length for length in [14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 300, 450, 700, 1100, 1700, 2331]]
    codes = await evaluate(
        visit, peer_tree, "qr",
        "(text) => { const { size, modules } = module.encodeQR(text); return [size, [...modules]]; }", texts,
    )
    for text, (size, modules) in zip(texts, codes, strict=True):
        picture = Image.new("L", (size + 8, size + 8), 255)
        for index, module in enumerate(modules):
            if module:
                picture.putpixel((index % size + 4, index // size + 4), 0)
        found = zxingcpp.read_barcodes(picture.resize((picture.width * 4, picture.height * 4), Image.NEAREST))
        assert [code.text for code in found] == [text], f"{len(text)} characters, {size} modules"


async def test_file_names_lose_everything_that_could_mean_something(peer_tree, visit):  # noqa: F811
    cases = {
        "report.pdf": "report.pdf", "/etc/passwd": "passwd", "..\\..\\boot.ini": "boot.ini", "...": "download",
        "": "download", ".bashrc": "bashrc", "a\u202egpj.exe": "agpj.exe", "CON.txt": "_CON.txt", "nul": "_nul",
        "a<b>:c|d?.txt": "a_b__c_d_.txt", "x\u0000y\r\n.txt": "xy.txt", "  spaced   out .txt ": "spaced out .txt",
        "n" * 300 + ".tar": "n" * 116 + ".tar", "日本語.txt": "日本語.txt", "trailing. .": "trailing",
    }
    names = await evaluate(visit, peer_tree, "content", "(name) => module.safeFileName(name)", list(cases))
    assert dict(zip(cases, names, strict=True)) == cases


async def test_figures_are_short_and_never_invented(peer_tree, visit):  # noqa: F811
    cases = [
        ["bitRate", 125_000, "1 Mbit/s"], ["bitRate", 0, "0 bit/s"], ["bitRate", None, "–"], ["bitRate", -1, "–"],
        ["byteCount", 1_234_567, "1.23 MB"], ["byteCount", 999, "999 B"], ["milliseconds", 0.34, "0.3 ms"],
        ["milliseconds", 31.4, "31 ms"], ["milliseconds", 1234, "1.2 s"], ["milliseconds", None, "–"],
        ["count", 20_000, "20,000"], ["duration", 3725, "1:02:05"], ["duration", 59, "0:59"],
        ["codecName", "vp09.00.10.08", "VP9"], ["codecName", "avc1.42E01F", "H.264"],
    ]
    found = await evaluate(visit, peer_tree, "format", "([name, value]) => module[name](value)", [case[:2] for case in cases])
    assert found == [case[2] for case in cases]
