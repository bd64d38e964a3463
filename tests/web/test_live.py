"""A page follows the ledger, and disturbs nobody who reads it."""

import uuid

from ledger import OPEN, account, publish

ACCOUNT = "verve-weddings"


def grant(credits):
    message = str(uuid.uuid4())
    data = {"account_id": ACCOUNT, "credits": credits, "reason": "a live page"}
    publish({"id": message, "type": "credits.granted.v1", "data": data})


def figure(number):
    return f"{number:,}"


def test_a_page_shows_what_changed_and_keeps_focus_and_place(browser):
    # Small, so that there is something to scroll.
    browser.look((800, 500))
    before = account(ACCOUNT)["total"]
    after = figure(before + 1234)
    browser.open(f"{OPEN}/accounts/{ACCOUNT}")
    browser.settle()
    assert after not in browser.text()
    # What a reload would take away.
    browser.run("window.isTheSame = true")
    focused = "#reports button"
    browser.run("document.querySelector(arguments[0]).focus(); scrollTo(0, scrollY + 40)", focused)
    browser.run("document.getElementById('report-from').value = '2026-01-02'")
    place = browser.run("return scrollY")
    assert place > 0
    grant(1234)
    browser.wait(f"the figure {after}", lambda: after in browser.text())
    assert browser.run("return window.isTheSame === true"), "the page was loaded again"
    assert browser.run("return document.activeElement.matches(arguments[0])", focused), "the focus went"
    assert browser.run("return document.getElementById('report-from').value") == "2026-01-02", "what was typed is gone"
    assert abs(browser.run("return scrollY") - place) <= 1, "the place went"
    assert not browser.complaints()


def test_a_reader_can_hold_a_page_still_and_let_it_go_on(browser):
    browser.open(f"{OPEN}/accounts/{ACCOUNT}")
    browser.settle()
    total = account(ACCOUNT)["total"]
    button = browser.find("#live button")
    assert button.text == "Pause"
    button.click()
    assert "Paused" in browser.text("#live")
    grant(17)
    browser.wait("the grant", lambda: account(ACCOUNT)["total"] == total + 17)
    # A second page, which isn't held, shows when this one would have shown it too.
    first = browser.driver.current_window_handle
    browser.driver.switch_to.new_window("tab")
    browser.driver.get(f"{OPEN}/accounts/{ACCOUNT}")
    browser.settle()
    assert figure(total + 17) in browser.text()
    browser.driver.close()
    browser.driver.switch_to.window(first)
    assert figure(total + 17) not in browser.text()
    browser.find("#live button").click()
    browser.wait("the figure", lambda: figure(total + 17) in browser.text())
