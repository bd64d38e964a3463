"""Signing in by a token, and what it shows then."""

from ledger import GUARDED, TOKEN, TOKEN_ACCOUNT

OWN = f"{GUARDED}/accounts/{TOKEN_ACCOUNT}"
OTHER = f"{GUARDED}/accounts/atelier-brandt"


def sign_in(browser, token):
    field = browser.find("#token")
    field.clear()
    field.send_keys(token)
    browser.find("main form button").click()


def test_a_token_opens_the_page_that_was_asked_for_and_no_other_account(browser):
    browser.open(OWN)
    browser.wait("the login", lambda: "/login" in browser.driver.current_url)
    assert TOKEN_ACCOUNT not in browser.text()
    sign_in(browser, "creditd_" + "0" * 64)
    browser.wait("the refusal", lambda: browser.run("return document.getElementById('token-wrong')"))
    assert browser.run("return document.activeElement.id") == "token"
    assert not browser.driver.get_cookies()
    sign_in(browser, TOKEN)
    browser.wait("the account's page", lambda: browser.driver.current_url == OWN)

    (cookie,) = browser.driver.get_cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/", cookie
    assert TOKEN not in cookie["value"]
    assert browser.run("return document.cookie") == ""

    browser.driver.get(OTHER)
    there = browser.text()
    browser.driver.get(OTHER + "-that-is-not")
    assert there.replace("atelier-brandt", "X") == browser.text().replace("atelier-brandt-that-is-not", "X")
    assert "Not found" in there

    browser.driver.get(GUARDED + "/")
    assert browser.driver.current_url == OWN
    assert "atelier" not in browser.text("body")

    browser.find("header form button").click()
    browser.wait("the login", lambda: "/login" in browser.driver.current_url)
    assert not browser.driver.get_cookies()
    browser.driver.get(OWN)
    assert "/login" in browser.driver.current_url


def test_a_person_without_scripts_signs_in_just_as_well(browser):
    browser.look((360, 800), scripts=False)
    browser.open(OWN)
    sign_in(browser, TOKEN)
    browser.wait("the account's page", lambda: browser.driver.current_url == OWN)
    assert TOKEN_ACCOUNT in browser.text()


def test_a_live_page_of_a_session_that_ended_shows_the_login(browser):
    browser.open(OWN)
    sign_in(browser, TOKEN)
    browser.wait("the account's page", lambda: browser.driver.current_url == OWN)
    browser.settle()
    browser.do("Network.clearBrowserCookies")
    # Whoever comes back to a page finds it up to date.
    browser.run("document.querySelector('#live button').click(); document.querySelector('#live button').click()")
    browser.wait("the login", lambda: "/login" in browser.driver.current_url)
