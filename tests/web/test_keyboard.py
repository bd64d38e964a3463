"""All that a mouse can do, a keyboard can."""

import pytest
from selenium.webdriver.common.keys import Keys

from pages import DESKTOP, PAGES

FOCUS = """
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    return {
        html: one.outerHTML.slice(0, 160).toWellFormed(),
        place: [...document.querySelectorAll('*')].indexOf(one),
        isMarked: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        isInView: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
"""

REACHABLE = """
    const all = document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]');
    const isShown = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled;
    return [...all].filter(isShown).map((one) => [[...document.querySelectorAll('*')].indexOf(one), one.outerHTML.slice(0, 160).toWellFormed()]);
"""


@pytest.mark.parametrize("page", [page for page in PAGES if not page.startswith("login")])
def test_the_first_stop_leads_past_the_head_of_the_page(browser, page):
    browser.open(PAGES[page])
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
    browser.look(DESKTOP, scripts=False)
    browser.open(PAGES[page])
    reachable = dict(browser.run(REACHABLE))
    missed, stopped = dict(reachable), set()
    # A field for a date is a stop for each of its parts and for its calendar; the browser marks those itself. A page
    # that begins with the focus in a field has the stops before it in a second round, hence twice as many.
    for _ in range(8 * len(reachable)):
        browser.press(Keys.TAB)
        stop = browser.run(FOCUS)
        if stop is None:
            continue
        assert stop["place"] in stopped or (stop["isMarked"] and stop["isInView"]), stop
        stopped.add(stop["place"])
        missed.pop(stop["place"], None)
        if not missed:
            break
    assert reachable and not missed
