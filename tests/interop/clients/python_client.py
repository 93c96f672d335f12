"""The official Python client, run by python.mjs: `python_client.py STORY MODE`.

MODE is the client's own: `auto` or `legacy`. Where a person has to open a link, the line `OPEN <url>` asks for it.
Exits 0 when the story went as it should.
"""

import json
import os
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

URL = os.environ["INTEROP_URL"]
KEY = os.environ["INTEROP_KEY"]
USER = os.environ["INTEROP_USER"]
DISPLAY_NAME = os.environ.get("INTEROP_DISPLAY_NAME", "")
LONG = "everything_trigger-long-running-operation"


@asynccontextmanager
async def session(mode, *, key=KEY, **options):
    headers = {"Authorization": f"Bearer {key}", "Arcade-User-ID": USER}
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(30, read=300)) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode, **options) as client:
            yield client


def text_of(result):
    return "\n".join(getattr(block, "text", "") for block in result.content)


def ask_to_open(url):
    print(f"OPEN {url}", flush=True)


async def assert_connected(client):
    result = await client.call_tool("acme_whoami")
    assert not result.is_error and DISPLAY_NAME in text_of(result), text_of(result)


async def tools(mode):
    async with session(mode) as client:
        expected = "2026-07-28" if mode == "auto" else "2025-11-25"
        assert client.protocol_version == expected, client.protocol_version

        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"everything_echo", "modern_wait", "legacy_wait", LONG} <= set(names), names

        echoed = await client.call_tool("everything_echo", {"message": "Grüße 🦀"})
        assert text_of(echoed) == "Echo: Grüße 🦀", text_of(echoed)

        seen = []

        async def note(progress, total, _message):
            seen.append((progress, total))

        await client.call_tool(LONG, {"duration": 1, "steps": 4}, progress_callback=note)
        assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)], seen

        finished = []

        async def run(name, arguments):
            finished.append(text_of(await client.call_tool(name, arguments)))

        async with anyio.create_task_group() as both:
            both.start_soon(run, LONG, {"duration": 1, "steps": 1})
            both.start_soon(run, "everything_echo", {"message": "quick"})
        assert finished[0] == "Echo: quick" and "completed" in finished[1], finished

        for upstream in ("modern", "legacy"):
            label = f"python {mode} to {upstream}"
            with anyio.move_on_after(0.5) as gave_up:
                await client.call_tool(f"{upstream}_wait", {"label": label, "seconds": 30})
            assert gave_up.cancelled_caught
            for _ in range(100):
                await anyio.sleep(0.1)
                cancelled = json.loads(text_of(await client.call_tool(f"{upstream}_cancelled_waits")))
                if label in cancelled:
                    break
            assert label in cancelled, f"the upstream was not told: {cancelled}"

        try:
            await client.call_tool("everything_no_such_tool")
            raise AssertionError("an unknown tool was answered")
        except MCPError as error:
            assert error.code == types.INVALID_PARAMS, error


async def wrong_key(mode):
    try:
        async with session(mode, key="arc_wrong"):
            pass
    except BaseException as error:  # The refusal comes wrapped in exception groups.
        if isinstance(error, KeyboardInterrupt):
            raise
        print(f"refused as it should be: {error!r}")
        return
    raise AssertionError("a wrong key was accepted")


async def input_required(mode):
    asked = []

    async def on_elicit(_context, params):
        asked.append(params)
        ask_to_open(params.url)
        return types.ElicitResult(action="accept")

    async with session(mode, elicitation_callback=on_elicit) as client:
        await assert_connected(client)
        assert len(asked) == 1 and asked[0].mode == "url", asked
        await assert_connected(client)
        assert len(asked) == 1, "asked again for what is connected"


async def declined(mode):
    asked = []

    async def on_elicit(_context, params):
        asked.append(params)
        return types.ElicitResult(action="decline")

    async with session(mode, elicitation_callback=on_elicit) as client:
        result = await client.call_tool("acme_whoami")
        assert result.is_error and len(asked) == 1, (result, asked)


async def error_with_links(mode):
    completed = anyio.Event()
    completed_ids = []

    async def on_message(message):
        if isinstance(message, types.ElicitCompleteNotification):
            completed_ids.append(message.params.elicitation_id)
            completed.set()

    async def on_elicit(_context, _params):
        raise AssertionError("asked in-band")

    async with session(mode, elicitation_callback=on_elicit, message_handler=on_message) as client:
        try:
            await client.call_tool("acme_whoami")
            raise AssertionError("nothing was asked")
        except MCPError as error:
            assert error.code == -32042, error
            (elicitation,) = error.data["elicitations"]
        ask_to_open(elicitation["url"])
        with anyio.fail_after(30):
            await completed.wait()
        assert completed_ids == [elicitation["elicitationId"]], completed_ids
        await assert_connected(client)


async def link_in_text(mode):
    async with session(mode) as client:
        result = await client.call_tool("acme_whoami")
        assert result.is_error, result
        url = result.meta["dev.anteroom/authorization-required"]["authorization_url"]
        assert url in text_of(result).splitlines(), text_of(result)
        ask_to_open(url)
        with anyio.fail_after(30):
            while result.is_error:
                await anyio.sleep(0.5)
                result = await client.call_tool("acme_whoami")
        assert DISPLAY_NAME in text_of(result), text_of(result)


anyio.run(globals()[sys.argv[1]], sys.argv[2])
