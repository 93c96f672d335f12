"""A tool server on the packages that tool servers for Arcade are written with: `kit.py PORT`.

It has a tool for each thing that a gateway has to cope with. KIT_GITHUB and KIT_ACME are the addresses of the two services
where its users have accounts: `/me` there tells whose token it is, and `/status/CODE` answers with that status.
"""

import asyncio
import hashlib
import os
import sys
from enum import Enum
from typing import Annotated, Any, Optional

import httpx
from arcade_core.annotations import Inferrable
from arcade_mcp_server import Context, MCPApp, tool
from arcade_mcp_server.auth import GitHub, OAuth2
from arcade_mcp_server.exceptions import (
    ContextRequiredToolError,
    FatalToolError,
    RetryableToolError,
    ToolExecutionError,
    UpstreamRateLimitError,
)
from arcade_mcp_server.metadata import Behavior, Classification, Operation, ServiceDomain, ToolMetadata
from typing_extensions import NotRequired, TypedDict

SERVICES = {name: os.environ.get(f"KIT_{name.upper()}", "") for name in ("github", "acme")}

app = MCPApp(name="kit", version="1.2.3", instructions="Tools for tests")


def behaves(*operations, domains=(), extras=None, **hints):
    return ToolMetadata(
        classification=Classification(service_domains=list(domains)) if domains else None,
        behavior=Behavior(operations=list(operations), **hints),
        extras=extras,
    )


LOOKS_ONLY = behaves(Operation.READ, read_only=True, destructive=False, idempotent=True, open_world=False)

# --- what needs nobody's account --------------------------------------------------------------------------------------


@app.tool(metadata=LOOKS_ONLY)
def add(a: Annotated[int, "The first number"], b: Annotated[int, "The second number"]) -> Annotated[int, "The sum"]:
    """Adds two numbers"""
    return a + b


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Person(TypedDict):
    """Somebody"""

    name: str
    """What they are called"""
    age: Optional[int]
    nickname: NotRequired[str]


@app.tool
def shapes(
    color: Annotated[Color, "One of a few"],
    tags: Annotated[list[str], "Words"],
    who: Annotated[Person, "A person with all the details"],
    colors: Annotated[Optional[list[Color]], "Some of a few"] = None,
    people: Annotated[Optional[list[Person]], "More people"] = None,
    free: Annotated[Optional[dict], "Anything with names"] = None,
    note: Annotated[Optional[str], "May be nothing"] = None,
    count: Annotated[int, "May be left out"] = 1,
    ratio: Annotated[float, "May be left out"] = 0.5,
    flag: Annotated[bool, "May be left out"] = False,
    hidden: Annotated[str, "Nothing for a model", Inferrable(False)] = "nothing",
) -> Annotated[dict[str, Any], "What came in"]:
    """Takes a parameter of every kind, and answers what it got"""
    return {
        "color": color.value,
        "tags": tags,
        "who": plain(who),
        "colors": None if colors is None else [one.value for one in colors],
        "people": None if people is None else [plain(one) for one in people],
        "free": free,
        "note": note,
        "count": count,
        "ratio": ratio,
        "flag": flag,
        "hidden": hidden,
    }


def plain(value):
    return value.model_dump(exclude_unset=True) if hasattr(value, "model_dump") else dict(value)


@app.tool(metadata=LOOKS_ONLY)
def greeting(name: Annotated[str, "Whom to greet"] = "you") -> Annotated[str, "What to say"]:
    """Greets somebody"""
    return f"Hello {name} 🦀"


@app.tool
def words(text: Annotated[str, "What to take apart"]) -> Annotated[list[str], "Its words"]:
    """Takes a text apart"""
    return text.split()


@app.tool
def nothing():
    """Answers nothing"""


@app.tool
def maybe(
    text: Annotated[Optional[str], "What to answer, if anything"] = None,
) -> Annotated[Optional[str], "The text, or nothing"]:
    """Answers what it was given"""
    return text


@app.tool
def lies() -> Annotated[int, "A number, it says"]:
    """Answers something else than it says it does"""
    return "not a number"  # type: ignore[return-value]


@app.tool
@tool.deprecated("Use Add")
def old_add(a: Annotated[int, "The first number"], b: Annotated[int, "The second number"]) -> Annotated[int, "The sum"]:
    """Adds two numbers, as it always has"""
    return a + b


@app.tool
async def slow(seconds: Annotated[float, "How long"]) -> Annotated[str, "What to say"]:
    """Takes its time"""
    await asyncio.sleep(seconds)
    return "done"


runs: dict[str, int] = {}


@app.tool(metadata=behaves(Operation.UPDATE, read_only=False, destructive=False, idempotent=False, open_world=False))
async def tally(
    key: Annotated[str, "What to count"],
    fails: Annotated[bool, "Whether to fail after counting"] = False,
    seconds: Annotated[float, "How long to take after counting"] = 0,
) -> Annotated[int, "How often it ran for this key"]:
    """Counts how often it runs"""
    runs[key] = runs.get(key, 0) + 1
    await asyncio.sleep(seconds)
    if fails:
        raise RuntimeError(f"run {runs[key]}")
    return runs[key]


@app.tool(metadata=LOOKS_ONLY)
def tallied(key: Annotated[str, "What was counted"]) -> Annotated[int, "How often Tally ran for this key"]:
    """Tells how often Tally ran"""
    return runs.get(key, 0)


# --- what needs an account, or a key ----------------------------------------------------------------------------------


async def whose(service: str, context: Context) -> dict[str, Any]:
    """What the service says about the token. The token itself stays here."""
    token = context.get_auth_token_or_empty()
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{SERVICES[service]}/me", headers={"Authorization": f"Bearer {token}"})
        response.raise_for_status()
    return {
        "service": service,
        "account": response.json(),
        "user_info": context.authorization.user_info if context.authorization else None,
        "user_id": context.user_id,
    }


@app.tool(
    requires_auth=GitHub(scopes=["repo"]),
    metadata=behaves(
        Operation.READ,
        domains=[ServiceDomain.SOURCE_CODE],
        read_only=True,
        destructive=False,
        idempotent=True,
        open_world=True,
    ),
)
async def who_at_github(context: Context) -> Annotated[dict[str, Any], "The account"]:
    """Tells whose account is used at a provider that is known by its name"""
    return await whose("github", context)


@app.tool(requires_auth=OAuth2(id="acme", scopes=["notes.read", "notes.write"]))
async def who_at_acme(context: Context) -> Annotated[dict[str, Any], "The account"]:
    """Tells whose account is used at a provider of one's own"""
    return await whose("acme", context)


@app.tool(requires_secrets=["ACME_KEY"])
def seal(context: Context, text: Annotated[str, "What to seal"]) -> Annotated[str, "The seal"]:
    """Seals a text with a key"""
    return hashlib.sha256(f"{context.get_secret('ACME_KEY')}:{text}".encode()).hexdigest()


@app.tool(
    requires_auth=OAuth2(id="acme", scopes=["notes.write"]),
    requires_secrets=["ACME_KEY"],
    metadata=behaves(
        Operation.DELETE,
        domains=[ServiceDomain.DOCUMENTS],
        read_only=False,
        destructive=True,
        idempotent=True,
        open_world=True,
        extras={"team": "notes"},
    ),
)
async def delete_note(context: Context, note: Annotated[str, "Which one"]) -> Annotated[str, "What happened"]:
    """Deletes a note"""
    context.get_secret("ACME_KEY")
    account = (await whose("acme", context))["account"]
    return f"{account['login']} has no {note} any more"


# --- how tools fail ---------------------------------------------------------------------------------------------------


@app.tool
def ask_again() -> str:
    """Wants to be called again, with something else"""
    raise RetryableToolError(
        "There is no such city",
        developer_message="for developers: the list has 2 cities",
        additional_prompt_content="The cities are Oslo and Bergen",
        retry_after_ms=500,
    )


@app.tool
def which_one() -> str:
    """Wants to know more from the person"""
    raise ContextRequiredToolError(
        "Two people have this name",
        additional_prompt_content="Ask which one: Kim in Oslo, or Kim in Bergen",
        developer_message="for developers: ids 1 and 2",
    )


@app.tool
def give_up() -> str:
    """Fails for good, and says so"""
    raise FatalToolError("This cannot be done", developer_message="for developers: never")


@app.tool
def fails_plainly() -> str:
    """Fails, and says why"""
    raise ToolExecutionError("The printer is on fire", extra={"printer": "p-1"})


@app.tool
def falls_over() -> str:
    """Fails without a word"""
    raise ZeroDivisionError("nothing that anybody should read")


@app.tool
async def upstream_answers(status: Annotated[int, "The status"]) -> Annotated[str, "What came back"]:
    """Asks a service that answers with a status of one's choice"""
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{SERVICES['acme']}/status/{status}")
        response.raise_for_status()
    return response.text


@app.tool
def too_often() -> str:
    """Was called too often"""
    raise UpstreamRateLimitError("Slow down", retry_after_ms=7000)


@app.tool
async def nobody_there() -> str:
    """Asks a service that does not run"""
    async with httpx.AsyncClient() as client:
        # Port 9 is the discard service, which nobody runs.
        return (await client.get("http://127.0.0.1:9/")).text


if __name__ == "__main__":
    app.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]))
