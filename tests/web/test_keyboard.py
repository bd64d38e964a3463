"""All that a mouse can do, a keyboard can."""

import pytest
from selenium.webdriver.common.keys import Keys

from ledger import OPEN
from pages import PAGES

FOCUS = """
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    return {
        html: one.outerHTML.slice(0, 160),
        place: [...document.querySelectorAll('*')].indexOf(one),
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        isInView: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
"""

REACHABLE = """
    const all = document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]');
    const isShown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
    return [...all].filter(isShown).map((one) => [[...document.querySelectorAll('*')].indexOf(one), one.outerHTML.slice(0, 160)]);
"""


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("login")])
def test_the_first_stop_leads_past_the_head_of_the_page(browser, page):
    browser.open(OPEN + PAGES[page])
    browser.press(Keys.TAB)
    first = browser.run(FOCUS)
    assert "Skip to the content" in first["html"] and first["isMarked"] and first["isInView"], first
    browser.press(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    browser.press(Keys.TAB)
    assert browser.run("return !document.activeElement.closest('header')"), browser.run(FOCUS)


@pytest.mark.parametrize("page", PAGES)
def test_all_that_can_be_used_is_reached_and_marked(browser, page):
    # Without the script, nothing is exchanged under way. The button that the script adds is tried by the live test.
    browser.look((1280, 900), scripts=False)
    browser.open(OPEN + PAGES[page])
    # From the beginning, where a field may have taken the focus.
    browser.run("document.activeElement.blur()")
    reachable = dict(browser.run(REACHABLE))
    stops = {}
    # A field for a date is three stops and a button.
    for _ in range(4 * len(reachable) + 4):
        browser.press(Keys.TAB)
        stop = browser.run(FOCUS)
        if stop is None:
            break
        assert stop["isMarked"] and stop["isInView"], stop
        stops[stop["place"]] = stop["html"]
    missed = [html for place, html in reachable.items() if place not in stops]
    assert reachable and not missed
