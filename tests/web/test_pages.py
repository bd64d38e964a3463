"""Every page: whom it keeps out, how far it reaches, and what the browser says of it."""

import pytest

from pages import DESKTOP, ERRORS, PAGES, PHONE

LOOKS = {"light": (DESKTOP, "light"), "dark": (DESKTOP, "dark"), "phone": (PHONE, "light")}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_nobody_out_and_stays_within_its_window(browser, axe, pictures, page, look):
    size, scheme = LOOKS[look]
    browser.look(size, scheme)
    browser.open(PAGES[page])
    assert browser.run("return document.querySelectorAll('main h1').length") == 1, browser.text("body")
    browser.shoot(pictures / f"{page}-{look}.png")
    width, there = browser.run("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert width <= there == size[0], f"the page is {width} wide in a window of {there}: {too_wide(browser)}"
    browser.run(axe)
    findings = browser.driver.execute_async_script(
        "const tell = arguments[1]; axe.run({runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']})"
        ".then(({violations}) => tell(violations), (error) => tell([{id: String(error), nodes: []}]));",
        RULES,
    )
    told = [f"{one['id']} ({one.get('impact')}): {[node['html'][:200] for node in one['nodes']]}" for one in findings]
    assert not told, "\n".join(told)


def too_wide(browser):
    """What reaches beyond the window, for whoever mends it."""
    return browser.run(
        "return [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)"
        ".map((one) => one.outerHTML.slice(0, 120)).slice(0, 5)"
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_nobody_else_breaks_no_rule_of_its_own_and_answers_with_its_status(browser, page):
    browser.open(PAGES[page])
    # What the page loads is there once it has loaded; its stream is opened then.
    if browser.run("return Boolean(document.getElementById('live'))"):
        browser.wait("the stream", lambda: "Up to date" in browser.text("#live"))
    own = PAGES[page].split("/", 3)[:3]
    # What stands in an address itself is asked of nobody: the browser draws the calendars of its fields so.
    elsewhere = [url for url in browser.requests() if url.split("/", 3)[:3] != own and not url.startswith("data:")]
    assert not elsewhere
    assert not browser.complaints()
    status = browser.run("return performance.getEntriesByType('navigation')[0].responseStatus")
    assert status == ERRORS.get(page, 200)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_the_same_without_scripts(browser, page):
    browser.open(PAGES[page])
    with_scripts = browser.text()
    browser.look(DESKTOP, scripts=False)
    browser.open(PAGES[page])
    assert with_scripts and browser.text() == with_scripts
    assert not browser.text("#live"), "a page whose script doesn't run says that it is kept up to date"


def test_a_rule_that_is_broken_is_found(browser, axe):
    """The other tests would say nothing if the tool did nothing."""
    browser.open(PAGES["prices"])
    browser.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/favicon.svg\">')")
    browser.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<p style=\"width: 99in\">wide</p>')")
    browser.run(axe)
    findings = browser.driver.execute_async_script("axe.run().then(({violations}) => arguments[0](violations.map(({id}) => id)))")
    assert "image-alt" in findings
    assert browser.complaints(), "a style within the page breaks its content security policy"
