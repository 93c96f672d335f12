"""A tool server, written for Arcade: three tools, with everything that such tools can ask for.

    ARCADE_USAGE_TRACKING=0 ARCADE_WORKER_SECRET=… python server.py [PORT]
"""

import os
import sys
from typing import Annotated

import httpx
from arcade_mcp_server import Context, MCPApp
from arcade_mcp_server.auth import OAuth2

NOTES = os.environ.get("NOTES_URL", "http://127.0.0.1:3100")

app = MCPApp(name="desk", version="1.0.0", instructions="Small tools for a desk")


@app.tool
def add(a: Annotated[int, "The first number"], b: Annotated[int, "The second number"]) -> Annotated[int, "The sum"]:
    """Adds two numbers"""
    return a + b


@app.tool(requires_secrets=["SIGNATURE"])
def sign(context: Context, text: Annotated[str, "What to sign"]) -> Annotated[str, "The text, signed"]:
    """Signs a text as the house does"""
    return f"{text}\n-- {context.get_secret('SIGNATURE')}"


@app.tool(requires_auth=OAuth2(id="notes", scopes=["notes.read"]))
async def whose_notes(context: Context) -> Annotated[str, "The name of the account"]:
    """Tells whose notes the user has connected"""
    token = context.get_auth_token_or_empty()
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{NOTES}/me", headers={"Authorization": f"Bearer {token}"})
        answer.raise_for_status()
    return answer.json()["name"]


if __name__ == "__main__":
    app.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8002)
