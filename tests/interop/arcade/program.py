"""What every program here needs: a client that counts what it sends, and a person who opens links.

CLIENT is `Arcade` or `AsyncArcade`; each story runs with both. USER_ID is whom it is for. Where a person has to open a link,
the line `OPEN <url>` asks for it. A story exits 0 when it went as it should.
"""

import asyncio
import inspect
import os
import sys

import arcadepy

USER = os.environ["USER_ID"]
CLIENT = getattr(arcadepy, os.environ["CLIENT"])
SERVICES = {name: os.environ[f"SERVICE_{name.upper()}"] for name in ("acme", "github")}

KIT_TOOLS = 23
ACCOUNT_NEEDED = ["authorization required"]

sent = []


async def now(value):
    """What a client answers, whichever of the two it is."""
    return await value if inspect.isawaitable(value) else value


async def every(pages):
    """Everything that a list has, page after page."""
    if hasattr(pages, "__aiter__"):
        return [item async for item in pages]
    return list(pages)


def client(**options):
    """A client as programs make it, that counts what it sends."""

    def note(request):
        sent.append((request.method, request.url.path))

    async def note_async(request):
        note(request)

    if CLIENT is arcadepy.Arcade:
        return CLIENT(http_client=arcadepy.DefaultHttpxClient(event_hooks={"request": [note]}), **options)
    return CLIENT(http_client=arcadepy.DefaultAsyncHttpxClient(event_hooks={"request": [note_async]}), **options)


def ask_to_open(url):
    assert url.startswith(os.environ["ARCADE_BASE_URL"]), url
    print(f"OPEN {url}", flush=True)


async def raises(kind, ask, *args, words=(), **kwargs):
    """The error of this class that comes at once instead of an answer; its text has all the words."""
    before = len(sent)
    try:
        answer = await now(ask(*args, **kwargs))
    except arcadepy.APIStatusError as error:
        assert type(error) is kind, f"{type(error).__name__}: {error}"
        assert len(sent) == before + 1, f"sent again: {error}"
        for word in words:
            assert word in str(error).lower(), f"no {word!r} in: {error}"
        body = error.body
        assert isinstance(body, dict) and body["name"] and body["message"], body
        return error
    raise AssertionError(f"no {kind.__name__}, but {answer!r}")


async def execute(arcade, tool, input=None, **rest):
    return await now(arcade.tools.execute(tool_name=tool, input=input or {}, user_id=USER, **rest))


async def connect(arcade, tool):
    """Has the person connect what a tool needs."""
    asked = await now(arcade.tools.authorize(tool_name=tool, user_id=USER))
    if asked.status != "completed":
        ask_to_open(asked.url)
        asked = await now(arcade.auth.wait_for_completion(asked))
    assert asked.status == "completed", asked
    return asked


def run(stories):
    """Runs the story that the command line names."""
    asyncio.run(stories[sys.argv[1]]())
