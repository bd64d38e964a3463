"""The pages of the dashboard, each with what it is shown for."""

from ledger import GUARDED, OPEN, part

OVER_LIMIT = "web/over.limit@studio:1"
LONG_ID = "web-" + "x" * 60

PATHS = {
    "overview": "/",
    "organization": "/organizations/northlight",
    "standalone": "/accounts/atelier-brandt",
    "integrated": "/accounts/northlight-film",
    "pool": "/accounts/" + part("pool:northlight"),
    "payg-over-limit": "/accounts/" + part(OVER_LIMIT),
    "long-words": "/accounts/" + LONG_ID,
    "empty": "/accounts/web-empty",
    "entries": "/accounts/atelier-brandt?entries_after=40",
    "project": "/projects/P-00001",
    "project-over-limit": "/projects/web-p-1",
    "project-waits-long-words": "/projects/" + "q" * 64,
    "pool-strange-names": "/accounts/" + part("pool:web-org"),
    "project-strange-names": "/projects/" + part("web/emoji:1@north"),
    "statement": "/accounts/atelier-brandt/statement",
    "quote": "/accounts/northlight-film/quote",
    "quote-answered": "/accounts/northlight-film/quote?pieces%3Avideo=12&pieces%3Aphoto=30",
    "quote-wrong": "/accounts/northlight-film/quote?pieces%3Avideo=many",
    "prices": "/prices",
    "found-nothing": "/search?id=nobody",
    "not-found": "/accounts/nobody",
}
"""Where each page is, by the name of its pictures."""

SIGN_IN = {"login": "/login?next=/prices", "login-wrong": "/login?wrong"}
"""Those of the daemon that asks for a token; the other has nothing to sign in to."""

PAGES = {name: OPEN + path for name, path in PATHS.items()} | {name: GUARDED + path for name, path in SIGN_IN.items()}

ERRORS = {"not-found": 404, "found-nothing": 404, "login-wrong": 401}
"""What pages answer that tell of a problem. All others answer 200."""

PHONE = (360, 800)
DESKTOP = (1280, 900)
