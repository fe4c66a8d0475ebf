"""A page in headless Chromium that runs the test set with onnxruntime-web."""

import subprocess
import tempfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Final

PROGRAMS: Final = Path(__file__).with_name("programs")
_TYPES: Final = {
    ".html": "text/html",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
#: So that pages get threads, which the browser gives to isolated ones alone.
_ISOLATION: Final = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
#: Nothing but the page is to be looked up, and root may run it.
_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


class Server(ThreadingHTTPServer):
    """Serves files of some folders, and keeps what is posted to ``/results``."""

    daemon_threads = True

    def __init__(self, folders: Mapping[str, Path], results: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folders, self.results, self.done = folders, results, Event()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """A file of a folder, by the first part of the path."""
        folder, _, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        path = self._of.folders.get(folder, Path("/nowhere")) / Path(name).name
        self._answer(path.read_bytes() if path.is_file() else None, _TYPES.get(path.suffix))

    def do_POST(self) -> None:
        """A result, or the word that all are there."""
        name = Path(self.path).name
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if name == "done":
            self._of.done.set()
        else:
            (self._of.results / name).write_bytes(content)
        self._answer(b"", None)

    @property
    def _of(self) -> Server:
        assert isinstance(self.server, Server)
        return self.server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

    def _answer(self, content: bytes | None, kind: str | None) -> None:
        self.send_response(404 if content is None else 200)
        headers = {"Content-Type": kind or "application/octet-stream", **_ISOLATION}
        for key, value in {**headers, "Content-Length": str(len(content or b""))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content or b"")


def run_page(
    chromium: str, package: Path, threads: int, tests: Path, results: Path, timeout: float
) -> str:
    """Open the page until it has posted its answers; how that failed, or nothing."""
    server = Server({"set": tests, "ort": package / "dist", "programs": PROGRAMS}, results)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/programs/page.html?threads={threads}"
    with tempfile.TemporaryDirectory(prefix="qconvert-", ignore_cleanup_errors=True) as profile:
        command = [chromium, *_OPTIONS, f"--user-data-dir={profile}", address]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # A page that fails before it answers leaves the browser open.
        in_time = server.done.wait(timeout)
        browser.terminate()
        browser.wait()
    server.shutdown()
    server.server_close()
    return "" if in_time else f"the page posted no answers in {timeout:.0f} s"
