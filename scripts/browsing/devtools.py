"""Headless Chromium over a pipe: pages as people see them, and what they did on the way."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, Final, TypeAlias

from qconvert.report.document import Json

Answer: TypeAlias = dict[str, Any]

#: Nothing but the page is to be looked up, and root may run it.
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class BrowserError(Exception):
    """Chromium is missing, or did not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Screen:
    """How a page is looked at; *media* is ``screen`` or ``print``."""

    width: int = 1200
    height: int = 900
    dark: bool = False
    phone: bool = False
    media: str = "screen"


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Chromium at work; it ends with the block."""
    program = shutil.which("chromium")
    if program is None:
        raise BrowserError("chromium is missing: apt-get install chromium")
    to_read, asked = os.pipe()
    answered, to_write = os.pipe()
    # Chromium reads commands from descriptor 3 and answers to 4: a shell puts the pipes there.
    shell = ["bash", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}']
    with tempfile.TemporaryDirectory(prefix="qconvert-", ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*shell, program, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        with os.fdopen(asked, "wb", 0) as commands, os.fdopen(answered, "rb") as answers:
            try:
                yield Browser(commands, answers)
            finally:
                process.terminate()
                process.wait()


@dataclass(slots=True)
class Browser:
    """The two ends of Chromium's pipe; messages end with a zero byte."""

    commands: RawIOBase
    answers: BufferedReader
    numbers: Iterator[int] = field(default_factory=itertools.count)
    events: list[Answer] = field(default_factory=list)
    target: str | None = None

    def ask(self, method: str, session: str | None = None, **parameters: object) -> Answer:
        """The answer to a command; `BrowserError` if there is none."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        self.commands.write(json.dumps(message).encode() + b"\0")
        while (found := self._next()).get("id") != number:
            self.events.append(found)
        if "error" in found:
            raise BrowserError(f"{method}: {found['error']['message']}")
        result: Answer = found["result"]
        return result

    def wait_for(self, event: str) -> None:
        """Return when *event* has come, now or before."""
        while not any(found.get("method") == event for found in self.events):
            self.events.append(self._next())

    def open(self, path: Path, screen: Screen) -> "Page":
        """The page of a file, loaded; the one before is closed."""
        if self.target is not None:
            self.ask("Target.closeTarget", targetId=self.target)
        self.target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=self.target, flatten=True)
        page = Page(self, attached["sessionId"])
        self.events.clear()
        for domain in ("Page", "Network", "Log", "Runtime"):
            page.ask(f"{domain}.enable")
        page.show_on(screen)
        page.ask("Page.navigate", url=path.resolve().as_uri())
        self.wait_for("Page.loadEventFired")
        return page

    def _next(self) -> Answer:
        message = bytearray()
        while (byte := self.answers.read(1)) != b"\0":
            if not byte:
                raise BrowserError("chromium has ended")
            message += byte
        found: Answer = json.loads(message)
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """A loaded page."""

    browser: Browser
    session: str

    def ask(self, method: str, **parameters: object) -> Answer:
        """The answer to a command about the page."""
        return self.browser.ask(method, self.session, **parameters)

    def show_on(self, screen: Screen) -> None:
        """Lay the page out as on *screen*."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=screen.width,
            height=screen.height,
            deviceScaleFactor=1,
            mobile=screen.phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if screen.dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=screen.media, features=[scheme])

    def value(self, expression: str) -> Json:
        """What a JavaScript expression, or what it promises, comes to."""
        found = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in found:
            raise BrowserError(f"{expression[:60]}: {found['exceptionDetails']}")
        value: Json = found["result"].get("value")
        return value

    def requested(self) -> list[str]:
        """What the page asked for since it was opened, itself included."""
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def logged(self) -> list[str]:
        """What the console says: errors, warnings, and what the policy blocked."""
        return [
            event["params"]["entry"]["text"]
            for event in self.browser.events
            if event.get("method") == "Log.entryAdded"
        ]

    def screenshot(self, height: int, start: str = "body") -> bytes:
        """So many pixels of the page as PNG, or all there are, from the element *start* on."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        box = "getBoundingClientRect()"
        top = self.value(f"document.querySelector('{start}').{box}.top + scrollY")
        assert isinstance(top, (int, float))
        clip = {"x": 0, "y": top, "width": size["width"], "scale": 1}
        clip["height"] = min(height, size["height"] - top)
        taken = self.ask("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        return base64.b64decode(taken["data"])

    def pdf(self) -> bytes:
        """The page as it is printed on A4."""
        self.ask("Emulation.setEmulatedMedia", media="print")
        options = {"paperWidth": 8.27, "paperHeight": 11.69, "printBackground": False}
        return base64.b64decode(self.ask("Page.printToPDF", **options)["data"])
