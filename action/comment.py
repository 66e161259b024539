"""Write the comment of a pull request: one, which later runs update. A step of the GitHub Action; nothing to install.

    python action/comment.py FILE

FILE is Markdown, as `mcuplan diff --base REVISION --format markdown` writes it. Everything else comes from the runner's
environment: GITHUB_EVENT_PATH, GITHUB_REPOSITORY, GITHUB_API_URL, GITHUB_TOKEN, GITHUB_RUN_ID.

A comment that cannot be written fails no check: a warning says why, and the exit code is 0. (A pull request from a fork
has a token that may only read.)
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MARK = "<!-- mcuplan: models -->"
"""The first line of our comment, which nobody sees; how a later run finds it."""
LONGEST = 65_000
"""Characters of a comment; GitHub takes 65,536."""
NOTHING = "no model changed"
_PATIENCE = 30
_PAGE = 100
_MOST_PAGES = 30


class NoComment(Exception):  # noqa: N818 - a reason, not an error
    """Why there is no comment."""


class Api:
    """GitHub's REST API, as far as comments go."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.root = environment.get("GITHUB_API_URL") or "https://api.github.com"
        self.repository = environment.get("GITHUB_REPOSITORY", "")
        self.token = environment.get("GITHUB_TOKEN", "")

    def call(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:
        """One request; NoComment where GitHub does not do it."""
        request = urllib.request.Request(
            f"{self.root}/repos/{self.repository}/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise NoComment(_refused(error.code, method)) from None
        except (OSError, ValueError) as error:
            raise NoComment(f"GitHub's API at {self.root} does not answer: {error}") from None

    def own(self, pull_request: int) -> int | None:
        """The number of the comment that an earlier run wrote; None where there is none."""
        for page in range(1, _MOST_PAGES + 1):
            listed = self.call("GET", f"issues/{pull_request}/comments?per_page={_PAGE}&page={page}")
            for comment in listed:
                # Anybody may write our mark; only what a bot wrote is ours, unless the token is a person's.
                bot = (comment.get("user") or {}).get("type") == "Bot"
                if (comment.get("body") or "").startswith(MARK) and (bot or not self.token.startswith("ghs_")):
                    return int(comment["id"])
            if len(listed) < _PAGE:
                break
        return None


def _refused(code: int, method: str) -> str:
    if code in (401, 403, 404) and method != "GET":
        return (
            "the token may not write to this pull request (it may only read in one from a fork; else give the job "
            "`permissions: pull-requests: write`)"
        )
    return f"GitHub's API answered {method} with {code}"


def body_of(text: str, environment: dict[str, str]) -> str:
    """The comment: our mark, the text as far as there is room, a link to the whole of it."""
    server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
    repository, run = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_RUN_ID", "")
    link = f"[the job's summary]({server}/{repository}/actions/runs/{run})"
    whole = f"{MARK}\n{text.rstrip()}\n\n<sub>The whole report is in {link}.</sub>\n"
    if len(whole) <= LONGEST:
        return whole
    end = f"\n\nThe rest had no room: it is in {link}.\n"
    kept = f"{MARK}\n{text}"[: LONGEST - len(end)]
    return kept[: kept.rfind("\n")] + end


def pull_request(environment: dict[str, str]) -> int:
    """The number of the pull request that the workflow runs for; NoComment where it runs for none."""
    try:
        event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text("utf-8"))
        return int(event["pull_request"]["number"])
    except (KeyError, TypeError, ValueError, OSError):
        raise NoComment("this run is for no pull request") from None


def comment(text: str, environment: dict[str, str]) -> str:
    """Write or update the comment; what was done, in words.

    Raises
    ------
    NoComment
        Where there is none.
    """
    number, api = pull_request(environment), Api(environment)
    own = api.own(number)
    if own is None and NOTHING in text.partition("\n")[0]:
        return "no model changed: no comment is needed"
    body = {"body": body_of(text, environment)}
    if own is None:
        api.call("POST", f"issues/{number}/comments", body)
        return f"comment on pull request {number} written"
    api.call("PATCH", f"issues/comments/{own}", body)
    return f"comment on pull request {number} updated"


def main() -> None:
    """Say what was done; a warning where nothing could be."""
    try:
        print(comment(Path(sys.argv[1]).read_text("utf-8"), dict(os.environ)))
    except (NoComment, OSError) as reason:
        print(f"::warning title=mcuplan::no comment was written: {reason}. Its text is in the job's summary.")


if __name__ == "__main__":
    main()
