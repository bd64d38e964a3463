"""What the tests share: one browser, and where pictures go."""

import os
import pathlib

import pytest

from chromium import Chromium
from pages import DESKTOP


@pytest.fixture(scope="session")
def pictures():
    """The directory of the screenshots."""
    directory = pathlib.Path(os.environ["CREDITD_WEB_PICTURES"])
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.png"):
        old.unlink()
    return directory


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core."""
    return (pathlib.Path(os.environ["CREDITD_WEB_TOOLS"]) / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def browser_of_all(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("downloads"))
    yield browser
    browser.quit()


@pytest.fixture
def browser(browser_of_all):
    """A browser that remembers nothing of the test before."""
    browser_of_all.look(DESKTOP)
    browser_of_all.do("Network.clearBrowserCookies")
    return browser_of_all
