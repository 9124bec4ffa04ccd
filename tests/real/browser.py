"""Debian's Chromium, without a screen, told what to do through its DevTools protocol on a pipe."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)
# The browser reads commands from its descriptor 3 and writes to its descriptor 4.
_START: Final = 'in=$1 out=$2; shift 2; exec chromium "$@" 3<&"$in" 4>&"$out"'


class Browser:
    """One tab. What goes wrong in it, and what it asks for, is kept."""

    def __init__(self, commands: BinaryIO, answers: BinaryIO) -> None:
        self._commands = commands
        self._answers = answers
        self._last = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        """Errors of scripts, and whatever the console was told of that is more than a remark."""
        self.requests: list[str] = []
        """The addresses that were asked for."""
        self._events: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command, and wait for its answer."""
        self._last += 1
        message: dict[str, object] = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._hear()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, page: Path) -> None:
        """Open a file, and wait until its script is through."""
        self._events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._hear()
        assert (
            self.js("new Promise((done) => setTimeout(() => done(document.documentElement.dataset.ready), 300))") == ""
        )

    def js(self, expression: str) -> Any:  # noqa: ANN401 - whatever it gives
        """What an expression gives in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Press what a selector finds first, where it is on the screen."""
        x, y = self.js(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); "
            "one.scrollIntoView({block: 'center'}); const box = one.getBoundingClientRect(); "
            "return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self.click(selector)
        self.call("Input.insertText", text=text)

    def texts(self, selector: str) -> list[str]:
        """The texts of all that a selector finds, as they are seen."""
        found: list[str] = self.js(
            f"Array.from(document.querySelectorAll({json.dumps(selector)}), (one) => one.innerText.trim())"
        )
        return found

    def resize(self, width: int, height: int = 900, *, mobile: bool = False) -> None:
        """Make the screen this wide."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)
        self.js("new Promise((done) => setTimeout(done, 200))")

    def picture(self, path: Path) -> None:
        """Take a screenshot of the whole page."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """Print the page."""
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])

    def _hear(self) -> dict[str, Any]:
        heard = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser ended"
            heard += byte
        message: dict[str, Any] = json.loads(heard)
        method, parameters = message.get("method", ""), message.get("params", {})
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(json.dumps(parameters["entry"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        return message


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Start one that knows nothing and leaves nothing outside `folder`."""
    profile = folder / "profile"
    profile.mkdir()
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    arguments = [*_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with (
        os.fdopen(ours_out, "wb", buffering=0) as commands,
        os.fdopen(ours_in, "rb") as answers,
        subprocess.Popen(
            ["/bin/bash", "-c", _START, "chromium", str(theirs_in), str(theirs_out), *arguments],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "TMPDIR": str(folder)},
        ) as running,
    ):
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            tab = Browser(commands, answers)
            yield tab
            tab.call("Browser.close")
            running.wait(20)
        finally:
            running.kill()
