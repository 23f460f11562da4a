"""People who visit the pages: each in a browser context of their own. Whatever a page complains of fails the test."""

import contextlib
import shutil

import pytest_asyncio
from conftest import CHROMIUM_FLAGS, ROOT
from processes import running

ARTEFACTS = ROOT / ".build" / "artefacts"

# The elements that a selector finds on the page and in the shadow trees of its players.
FIND = """
window.find = (selector) => {
  const shadows = [...document.querySelectorAll('peer-tree-player')].map(({ shadowRoot }) => shadowRoot).filter(Boolean);
  if (selector === 'body') return [document.body, ...shadows.flatMap(({ children }) => [...children])];
  return [document, ...shadows].flatMap((root) => [...root.querySelectorAll(selector)]);
};
"""

WATCH_POLICY = """
window.violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@contextlib.contextmanager
def site(peer_tree, *arguments, port=0):
    """A server with its pages; gives its address and its process."""
    with running(peer_tree, "serve", "--port", port, "--json", *arguments) as process:
        yield f"http://127.0.0.1:{process.event('listening')['port']}", process


class Visitor:
    """A page, and what went wrong on it."""

    def __init__(self, page, name):
        self.page = page
        self.name = name
        self.complaints = []
        page.on("pageerror", self._failed)
        page.on("console", self._heard)

    def _failed(self, error):
        # Firefox reports so what is no error of a script: a server that is gone, and violations, which are collected below.
        expected = ["can’t establish a connection", "interrupted while the page was loading", "violates the following directive"]
        if not any(text in str(error) for text in expected):
            self.complaints.append(f"error: {error}")

    def _heard(self, message):
        print(self.name, message.type, message.text)
        text = message.text
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            self.complaints.append(text)

    async def check(self):
        if self.page.is_closed():
            return
        # What was evaluated is the tool's: it puts a style into pages of which it takes pictures. Pages may not evaluate.
        violations = await self.page.evaluate("window.violations")
        self.complaints += [violation for violation in violations if "%3E%20eval" not in violation]
        assert self.complaints == [], f"{self.name}: {self.complaints}"

    async def says(self, text, selector="body", timeout=30_000):
        """Waits until the page shows a text."""
        await self.page.wait_for_function(
            "([selector, text]) => find(selector).some((element) => element.innerText.includes(text))",
            arg=[selector, text],
            timeout=timeout,
        )

    async def plays(self):
        """Waits until pictures move."""
        await self.page.wait_for_function("() => find('video')[0].videoWidth > 0", timeout=30_000)
        await self.page.evaluate("() => { window.shownAt = find('video')[0].currentTime; }")
        await self.page.wait_for_function("() => find('video')[0].currentTime > window.shownAt + 0.3")

    async def screenshot(self, name):
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    async def leave(self):
        await self.page.close(run_before_unload=False)


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browsers):
    """visit(BROWSER, ADDRESS) opens a page as somebody new."""
    contexts = []
    visitors = []

    async def start(name, address, browser=None, before=None, **options):
        options.setdefault("viewport", {"width": 1280, "height": 860})
        context = await (browser or await browsers(name)).new_context(**options)
        contexts.append(context)
        page = await context.new_page()
        await page.add_init_script(FIND + WATCH_POLICY)
        if before:
            await page.add_init_script(before)
        visitor = Visitor(page, name)
        visitors.append(visitor)
        await page.goto(address)
        return visitor

    yield start
    try:
        for visitor in visitors:
            await visitor.check()
    finally:
        for context in contexts:
            await context.close()


@contextlib.asynccontextmanager
async def chromium_without(playwright, *flags):
    """A Chromium that lacks some of the usual flags."""
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    browser = await playwright.chromium.launch(
        executable_path=path, args=[flag for flag in CHROMIUM_FLAGS if flag not in flags]
    )
    try:
        yield browser
    finally:
        await browser.close()


async def broadcast_camera(visitor, title=""):
    """Starts a broadcast of the fake camera on the start page; gives the link."""
    page = visitor.page
    await page.wait_for_function("() => !document.getElementById('pick').hidden || !document.getElementById('preview').hidden")
    if await page.evaluate("document.getElementById('preview').hidden"):
        await page.click("#pick")
    await page.wait_for_function("() => !document.getElementById('start').disabled")
    await page.fill("#titleInput", title)
    await page.click("#start")
    await page.wait_for_selector("#share:not([hidden])", timeout=30_000)
    return await page.input_value("#link")


