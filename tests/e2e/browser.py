"""A real browser on the page of an agent, and what must hold of all that it shows."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

# Generous: libvirt may be busy with other tests.
LIMIT_MS = 240_000
WIDE, NARROW = 1600, 390
# What a browser says of an answer that is an error: the page cannot keep it from that.
_ANSWERED = re.compile(r"Failed to load resource: the server responded with a status of (\d+)")
# Chromium drops what it is about to read when the machine gets or loses an interface, as it does
# with every host of the other tests. The page asks again for what it reads by itself; its own files
# are read by Playwright, which no such change concerns.
_CHANGED = "Failed to load resource: net::ERR_NETWORK_CHANGED"

expect.set_options(timeout=LIMIT_MS)


class Tab:
    """A tab that shows the page of an agent, and notes what it asks for and what goes wrong.

    errors: the statuses of errors that the test makes the agent answer.
    """

    def __init__(self, browser: Browser, address: str, errors: tuple[int, ...]) -> None:
        self.base = f"http://{address}"
        self.errors = {*errors}
        self.context = browser.new_context(
            viewport={"width": WIDE, "height": 1000},
            permissions=["clipboard-read", "clipboard-write"],
        )
        self.context.route(
            re.compile(rf"{self.base}/(page/.*)?$"),
            lambda route: route.fulfill(response=route.fetch()),
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(LIMIT_MS)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.page.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        if text == _CHANGED:
            return
        answered = _ANSWERED.match(text)
        if answered and int(answered[1]) in self.errors:
            return
        if kind in ("error", "warning", "assert"):
            self.faults.append(f"{kind}: {text}")

    def go(self, *parts: str) -> Page:
        """Show a view, and wait until it is there. parts: of its address, of whatever letters."""
        place = "".join(f"/{quote(part, safe='')}" for part in parts)
        # From elsewhere: else the view before could be taken for this one.
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/#{place}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        return self.page

    def button(self, name: str) -> Locator:
        """The button of that name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def question(self) -> Locator:
        """The dialog that asks before something is done."""
        found = self.page.get_by_role("dialog")
        expect(found).to_be_visible()
        return found

    def answer(self, does: str) -> str:
        """Answer the question with the button of that name; returns what was asked."""
        question = self.question()
        asked = question.inner_text()
        question.get_by_role("button", name=does, exact=True).click()
        expect(question).to_be_hidden()
        return asked

    def see_no_violations(self, what: str) -> None:
        """Fail where axe finds a fault in what is shown, light and dark, wide and narrow.

        Also where the narrow page would have to be scrolled to the side.
        """
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for width in (WIDE, NARROW):
            self.page.set_viewport_size({"width": width, "height": 1000})
            for scheme in schemes:
                self.page.emulate_media(color_scheme=scheme)
                found = Axe().run(self.page).response["violations"]
                where = (what, width, scheme)
                said = [(each["id"], each["nodes"][0]["html"]) for each in found]
                assert said == [], (*where, said)
            assert self.page.evaluate("document.documentElement.scrollWidth") == width
        self.page.set_viewport_size({"width": WIDE, "height": 1000})
        self.page.emulate_media(color_scheme="light")

    def picture(self, folder: Path, name: str) -> None:
        """Take pictures of all that is shown, light and dark, wide and narrow, for people.

        folder: for them, unless PAGE_PICTURES names another.
        """
        to = Path(os.environ.get("PAGE_PICTURES", folder))
        for width, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light")):
            self.page.set_viewport_size({"width": width, "height": 1000})
            self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            path = to / f"{name}-{width}-{scheme}.png"
            self.page.screenshot(path=path, full_page=True)
            assert path.stat().st_size > 10_000
        self.page.set_viewport_size({"width": WIDE, "height": 1000})
        self.page.emulate_media(color_scheme="light")

    def json(self, path: str) -> Any:
        """What the page is answered at a path."""
        return self.page.evaluate("path => fetch(path).then(answer => answer.json())", path)


@contextmanager
def tab(browser: Browser, address: str, *errors: int) -> Iterator[Tab]:
    """A tab, which must have asked no other site for anything, and have no fault at its end."""
    new = Tab(browser, address, errors)
    try:
        yield new
        elsewhere = [url for url in new.asked if not url.startswith((f"{new.base}/", "blob:"))]
        assert elsewhere == [], elsewhere
        assert new.faults == [], new.faults
    finally:
        new.context.close()
