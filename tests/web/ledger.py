"""What the tests ask of the daemons under test, and tell the ledger."""

import json
import os
import subprocess
import tempfile
import urllib.parse
import urllib.request

OPEN = os.environ["CREDITD_WEB"]
"""The daemon that asks nobody for a token."""
GUARDED = os.environ["CREDITD_WEB_GUARDED"]
"""The daemon that does."""
TOKEN = os.environ["CREDITD_WEB_TOKEN"]
"""A token that sees TOKEN_ACCOUNT alone."""
TOKEN_ACCOUNT = os.environ["CREDITD_WEB_TOKEN_ACCOUNT"]


def ask(path):
    """The API's answer."""
    with urllib.request.urlopen(OPEN + path, timeout=30) as answer:
        return json.load(answer)


def account(account_id):
    return ask("/v1/accounts/" + part(account_id))


def part(text):
    """A text as one part of a path."""
    return urllib.parse.quote(text, safe="")


def publish(*events):
    """Publishes events to the exchange that the daemon consumes from."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        for event in events:
            file.write(json.dumps({"specversion": "1.0", "source": "/web"} | event) + "\n")
        file.flush()
        subprocess.run(
            [os.environ["CREDITD"], "sandbox", "publish", "--file", file.name], check=True, capture_output=True, timeout=60
        )
