"""What the buttons give to take along."""

import csv
import json

from ledger import OPEN, account, ask

ACCOUNT = "atelier-brandt"


def download(browser, button, pattern):
    browser.open(f"{OPEN}/accounts/{ACCOUNT}")
    # The demo's entries are of today, by whatever zone days are told; a day more is none too many.
    browser.run("document.getElementById('report-from').value = '2020-01-01'")
    browser.run("document.getElementById('report-to').value = '2100-01-01'")
    before = set(browser.downloads.iterdir())
    browser.find(button).click()
    is_done = lambda file: file.match(pattern) and file.stat().st_size > 0
    return browser.wait("the download", lambda: next((one for one in browser.downloads.iterdir() if one not in before and is_done(one)), None))


def test_the_csv_has_every_entry_and_ends_at_the_balance_of_the_page(browser):
    file = download(browser, "#reports button:not(.quiet)", "*.csv")
    assert ACCOUNT in file.name
    with file.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines, strict=True))
    now = account(ACCOUNT)
    assert [int(row["sequence"]) for row in rows] == list(range(1, now["sequences"]["balance_changed"] + 1))
    assert {len(row) for row in rows} == {len(rows[0])} and None not in rows[0]
    for figure in ("total", "held", "consumed", "available"):
        assert int(rows[-1][figure]) == now[figure]


def test_the_json_says_the_same_as_the_api(browser):
    file = download(browser, "#reports button.quiet", "*.json")
    report = json.loads(file.read_text())
    newest = ask(f"/v1/accounts/{ACCOUNT}/entries?order=newest&limit=1")["items"][0]
    assert report["items"][-1]["sequence"] == newest["sequence"]
    assert report["opening"]["available"] + report["credited"] - report["debited"] == report["closing"]["available"]
