"""A headless Chromium, and what a person at it can do and see."""

import base64
import json
import os
import pathlib
import time

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains

WAIT_S = 60
"""The longest that something may take to come to pass, on a busy machine."""


class Chromium:
    """A browser with a profile of its own, and one window."""

    def __init__(self, downloads):
        options = webdriver.ChromeOptions()
        options.binary_location = os.environ["CHROMIUM"]
        # Chromium has no sandbox for root. No name leads anywhere, so that nothing but the daemon can be asked.
        for argument in (
            "--headless=new",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ):
            options.add_argument(argument)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        service = webdriver.ChromeService(executable_path=os.environ["CHROMEDRIVER"])
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(WAIT_S)
        self.driver.set_script_timeout(WAIT_S)
        self.downloads = pathlib.Path(downloads)

    def quit(self):
        self.driver.quit()

    def do(self, command, **parameters):
        """A command of the devtools' protocol."""
        return self.driver.execute_cdp_cmd(command, parameters)

    def run(self, script, *arguments):
        """What a script returns, run in the page as the devtools run it, whatever the page's own rules are."""
        return self.driver.execute_script(script, *arguments)

    def look(self, size, scheme="light", scripts=True):
        """The window's size, the color scheme that its user prefers, and whether pages may run scripts."""
        width, height = size
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}, still])
        self.do("Emulation.setScriptExecutionDisabled", value=not scripts)

    def open(self, url):
        """Goes to a page, and forgets what was logged and asked before it."""
        # A page that streams goes first, so that nothing of it comes after what is forgotten.
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(url)

    def text(self, selector="main"):
        """What a person reads there."""
        return self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)

    def press(self, *keys):
        """Presses one key after the other, wherever the focus is."""
        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def wait(self, what, condition):
        """Waits until `condition` gives something, and returns it."""
        deadline = time.monotonic() + WAIT_S
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"{what} did not come to pass; the page says: {self.text()[:800]}"
            time.sleep(0.05)

    def complaints(self):
        """What the browser complained of since the page was opened: errors of scripts, what the page's rules forbade,
        files that didn't come. That a page of a problem has a problem's status is no complaint."""
        own = self.driver.current_url
        told = self.driver.get_log("browser")
        told = [one for one in told if one["level"] in ("WARNING", "SEVERE")]
        return [one for one in told if not one["message"].startswith(own + " - Failed to load")]

    def requests(self):
        """Where the page and its scripts asked for something."""
        said = (json.loads(one["message"])["message"] for one in self.driver.get_log("performance"))
        return [one["params"]["request"]["url"] for one in said if one["method"] == "Network.requestWillBeSent"]

    def shoot(self, file):
        """A picture of the whole page."""
        size = self.do("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        picture = self.do("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(picture["data"]))
