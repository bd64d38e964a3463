"""The pages of the dashboard, each with what it is shown for."""

from ledger import part

OVER_LIMIT = "web/over.limit@studio:1"
LONG_ID = "web-" + "x" * 60

PAGES = {
    "overview": "/",
    "organization": "/organizations/northlight",
    "standalone": "/accounts/atelier-brandt",
    "integrated": "/accounts/northlight-film",
    "pool": "/accounts/" + part("pool:northlight"),
    "payg-over-limit": "/accounts/" + part(OVER_LIMIT),
    "long-words": "/accounts/" + LONG_ID,
    "empty": "/accounts/web-empty",
    "entries": "/accounts/atelier-brandt?entries_after=40",
    "statement": "/accounts/atelier-brandt/statement",
    "quote": "/accounts/northlight-film/quote",
    "quote-answered": "/accounts/northlight-film/quote?pieces%3Avideo=12&pieces%3Aphoto=30",
    "quote-wrong": "/accounts/northlight-film/quote?pieces%3Avideo=many",
    "prices": "/prices",
    "found-nothing": "/search?id=nobody",
    "not-found": "/accounts/nobody",
    "login": "/login",
    "login-wrong": "/login?wrong",
}
"""Paths by the name of their screenshots."""

ERRORS = {"not-found": 404, "login-wrong": 401}
"""What pages answer that tell of a problem. All others answer 200."""

SCHEMES = ("light", "dark")
PHONE = (360, 800)
DESKTOP = (1280, 900)
