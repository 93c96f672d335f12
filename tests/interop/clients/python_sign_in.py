"""The official Python client signing its user in, run by sign_in.mjs: `python_sign_in.py MODE`.

Where a person has to open a link, the line `OPEN <url>` asks for it. Exits 0 when all went as it should.
"""

import os
import sys
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

URL = os.environ["INTEROP_URL"]
DOCUMENT = os.environ["INTEROP_DOCUMENT"] or None


class Memory:
    """A `TokenStorage`."""

    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class Listener:
    """Where the answer arrives: a free port of this machine."""

    async def __aenter__(self):
        self.sockets = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = self.sockets.extra(anyio.abc.SocketAttribute.local_port)
        self.redirect_url = f"http://127.0.0.1:{port}/callback"
        self.answers, self.incoming = anyio.create_memory_object_stream(4)
        self.group = anyio.create_task_group()
        await self.group.__aenter__()
        self.group.start_soon(self.sockets.serve, self.take)
        return self

    async def __aexit__(self, *_):
        self.group.cancel_scope.cancel()
        await self.group.__aexit__(None, None, None)
        await self.sockets.aclose()

    async def take(self, connection):
        async with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += await connection.receive()
            target = request.split(b" ")[1].decode()
            page = b"<title>Back</title><p>You can close this window and go back to your program."
            head = f"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {len(page)}\r\nconnection: close\r\n\r\n"
            await connection.send(head.encode() + page)
        if urlsplit(target).path == "/callback":
            await self.answers.send(parse_qs(urlsplit(target).query))

    async def answer(self):
        query = await self.incoming.receive()
        assert "error" not in query, query
        return AuthorizationCodeResult(**{name: query[name][0] for name in ("code", "state", "iss")})


async def open_link(url):
    print(f"OPEN {url}", flush=True)


@asynccontextmanager
async def session(mode, memory, listener):
    auth = OAuthClientProvider(
        server_url=URL,
        client_metadata=OAuthClientMetadata(
            client_name=f"Python, {mode}",
            redirect_uris=[listener.redirect_url],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
        ),
        storage=memory,
        redirect_handler=open_link,
        callback_handler=listener.answer,
        client_metadata_url=DOCUMENT,
    )
    async with httpx2.AsyncClient(auth=auth, timeout=httpx2.Timeout(30, read=300)) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=mode) as client:
            yield client


async def assert_works(client):
    result = await client.call_tool("everything_get-sum", {"a": 2, "b": 40})
    assert not result.is_error, result
    assert result.content[0].text == "The sum of 2 and 40 is 42.", result


async def revoke(memory):
    origin = f"{urlsplit(URL).scheme}://{urlsplit(URL).netloc}"
    async with httpx2.AsyncClient() as http:
        metadata = (await http.get(f"{origin}/.well-known/oauth-authorization-server")).json()
        form = {"token": memory.tokens.refresh_token, "client_id": memory.client.client_id}
        if memory.client.client_secret:
            form["client_secret"] = memory.client.client_secret
        response = await http.post(metadata["revocation_endpoint"], data=form)
        assert response.status_code == 200, response.text


async def main(mode):
    memory = Memory()
    async with Listener() as listener, session(mode, memory, listener) as client:
        await assert_works(client)
        assert client.protocol_version == ("2026-07-28" if mode == "auto" else "2025-11-25"), client.protocol_version
        assert (memory.client.client_id == DOCUMENT) == (DOCUMENT is not None), memory.client
        assert "everything_get-env" in [tool.name for tool in (await client.list_tools()).tools]

        # Seen by what it has next: the first is good for seconds only.
        first = memory.tokens
        await anyio.sleep(memory.tokens.expires_in + 0.5)
        await assert_works(client)
        assert memory.tokens.access_token != first.access_token
        assert memory.tokens.refresh_token != first.refresh_token

        renewed = memory.tokens
        await revoke(memory)
        await assert_works(client)
        assert memory.tokens.access_token != renewed.access_token


anyio.run(main, sys.argv[1])
