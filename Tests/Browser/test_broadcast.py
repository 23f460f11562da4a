"""What a page can broadcast."""

import base64
import hashlib
import os

from scene import SOURCE, show


async def test_a_file_arrives_with_its_description(serve, open_page):
    content = os.urandom(1_500_000)
    with serve(k=1, k1=1) as server:
        source = await open_page("chromium", server)
        tree = await source.evaluate(
            """async (text) => {
              const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
              window.sender = makeClient('built-in').broadcast(new File([bytes], 'clip.bin', { type: 'application/x-clip' }));
              return sender.started;
            }""",
            base64.b64encode(content).decode(),
        )
        pages = [await open_page("firefox", server), await open_page("chromium", server)]
        for page in pages:
            await page.evaluate(
                """async (tree) => {
                  const client = makeClient('built-in');
                  client.on('message', ({ data, key }) => {
                    if (key === PeerTreeClient.KEYS.content) window.description = JSON.parse(data);
                    else parts.push(data), total += data.length;
                  });
                  await client.connect(tree);
                  await until(() => has('connect'));
                }""",
                tree,
            )
        for page in pages:
            got = await page.evaluate("async () => { await until(() => has('end')); return [description, await digest()]; }")
            assert got[0] == {"content": 1, "name": "clip.bin", "type": "application/x-clip", "size": len(content)}
            assert got[1] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        await source.evaluate("() => sender.finished")
        assert await source.evaluate("sender.statistics") == {"bytes": len(content), "size": len(content)}


async def test_a_screen_is_broadcast(serve, open_page):
    with serve() as server:
        source, viewer = await open_page("chromium", server), await open_page("firefox", server)
        # Browsers share a screen only when asked to by a click.
        await source.evaluate(
            """() => document.addEventListener('click', () => {
              window.broadcasting = (async () => {
                const screen = await navigator.mediaDevices.getDisplayMedia({ video: true });
                window.size = screen.getVideoTracks()[0].getSettings();
                return makeClient('built-in').broadcast(screen, { title: 'screen' }).started;
              })();
            })"""
        )
        await source.mouse.click(5, 5)
        tree = await source.evaluate("() => broadcasting")
        await show(viewer, tree)
        await viewer.evaluate("() => until(() => client.media.statistics.framesShown > 10)")
        width, height = await source.evaluate("[size.width & ~1, size.height & ~1]")
        assert await viewer.evaluate("[client.media.statistics.width, client.media.statistics.height]") == [width, height]
        assert await viewer.evaluate("client.media.catalog.title") == "screen"


async def test_the_bit_rate_falls_while_the_uplink_is_full_and_rises_once_it_is_free(serve, open_page):
    with serve() as server:
        source = await open_page("chromium", server)
        await source.evaluate(
            """() => {
              const canvas = document.createElement('canvas');
              const context = canvas.getContext('2d');
              setInterval(() => context.fillRect(Math.random() * 300, 0, 9, 150), 66);
              const client = makeClient('built-in');
              window.waiting = 0;
              Object.defineProperty(client, 'uplink', { get: () => ({ buffered: waiting }), set() {} });
              window.sender = client.broadcast(canvas.captureStream(), { video: { bitrate: 1_000_000 } });
              return sender.started;
            }"""
        )
        await source.evaluate("() => until(() => sender.statistics.bitrate === 1_000_000)")
        # Half a second of the highest rate.
        await source.evaluate("() => { window.waiting = 62_500; return until(() => sender.statistics.bitrate < 800_000); }")
        # However much waits, a share of the rate is kept.
        await source.evaluate("() => { window.waiting = 9e9; return until(() => sender.statistics.bitrate === 150_000); }")
        await source.evaluate("() => { window.waiting = 0; return until(() => sender.statistics.bitrate > 160_000); }")
