"""Programs for users, as people write them with arcadepy: `programs.py STORY`. program.py says how they are run."""

import os
import time

import httpx
from arcadepy import AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError
from program import ACCOUNT_NEEDED, KIT_TOOLS, SERVICES, USER
from program import ask_to_open, client, connect, every, execute, now, raises, run, sent


async def quickstart():
    """Authorize, wait, execute."""
    arcade = client()
    asked = await now(arcade.tools.authorize(tool_name="Kit.WhoAtAcme", user_id=USER))
    assert asked.status == "pending" and asked.id and asked.user_id == USER, asked
    assert asked.provider_id == "acme" and set(asked.scopes or []) >= {"notes.read", "notes.write"}, asked
    again = await now(arcade.tools.authorize(tool_name="Kit.WhoAtAcme", user_id=USER))
    assert (again.id, again.url) == (asked.id, asked.url), "another link while the first is open"
    ask_to_open(asked.url)
    done = await now(arcade.auth.wait_for_completion(asked))
    assert done.status == "completed" and done.id == asked.id, done
    assert not (done.context and done.context.token), "a token for a key that may not see any"

    result = await execute(arcade, "Kit.WhoAtAcme")
    assert result.success and result.status == "completed" and result.execution_type == "immediate", result
    assert result.id and result.execution_id and result.duration >= 0 and result.finished_at, result
    value = result.output.value
    assert value["service"] == "acme" and value["user_id"] == USER and value["account"]["login"], value
    assert value["user_info"] == {"sub": value["account"]["id"], "name": value["account"]["login"]}, value

    settled = await now(arcade.tools.authorize(tool_name="Kit.WhoAtAcme", user_id=USER))
    assert settled.status == "completed" and not settled.url, settled


async def start_with_a_provider():
    """A connection for its own sake, waited for by its id; then a tool that needs no more than that."""
    arcade = client()
    asked = await now(arcade.auth.start(USER, "github", scopes=["repo"]))
    assert asked.status == "pending", asked
    ask_to_open(asked.url)
    assert (await now(arcade.auth.wait_for_completion(asked.id))).status == "completed"
    assert (await now(arcade.auth.start(USER, "github", scopes=["repo"]))).status == "completed"
    # A preset by its own name, and no scopes at all.
    assert (await now(arcade.auth.start(USER, "github"))).status == "completed"
    result = await execute(arcade, "Kit_WhoAtGithub")
    assert result.success and result.output.value["service"] == "github", result


async def nothing_to_ask():
    """A tool without needs is authorized at once; so is a call."""
    arcade = client()
    assert (await now(arcade.tools.authorize(tool_name="Kit.Add", user_id=USER))).status == "completed"
    for name in ("Kit.Add", "Kit_Add", "kit.add", "KIT_ADD", "Kit.Add@1.2.3", "Kit_Add@1.2.3"):
        result = await execute(arcade, name, {"a": 1, "b": 2})
        assert result.success and result.output.value == 3, (name, result)
        assert result.tool_name, "agents-arcade reads it"
    assert (await execute(arcade, "Kit.Add", {"a": 1, "b": 2}, tool_version="1.2.3")).success
    sealed = await execute(arcade, "Kit.Seal", {"text": "hello"})
    assert sealed.success and len(sealed.output.value) == 64, sealed


async def back_to_the_application():
    """Where the person goes after it."""
    arcade = client()
    there = os.environ["NEXT_URI"]
    asked = await now(arcade.tools.authorize(tool_name="Kit.WhoAtAcme", user_id=USER, next_uri=there))
    ask_to_open(asked.url)
    assert (await now(arcade.auth.wait_for_completion(asked))).status == "completed"
    elsewhere = "https://elsewhere.example/"
    await raises(BadRequestError, arcade.tools.authorize, tool_name="Kit.WhoAtGithub", user_id=USER, next_uri=elsewhere)


async def somebody_else():
    """Another person finishes what was begun: nobody gets anything, and who waits is not answered in a rush."""
    arcade = client()
    asked = await now(arcade.tools.authorize(tool_name="Kit.WhoAtAcme", user_id=USER))
    ask_to_open(asked.url)
    while (await now(arcade.auth.status(id=asked.id, wait=5))).status == "pending":
        pass
    began = time.monotonic()
    assert (await now(arcade.auth.status(id=asked.id, wait=2))).status == "failed"
    assert time.monotonic() - began > 1.5, "a hot loop for everybody who waits"
    await raises(PermissionDeniedError, execute, arcade, "Kit.WhoAtAcme", words=ACCOUNT_NEEDED)


async def lists():
    """Catalogues, as programs show them to people and models."""
    arcade = client()
    tools = await every(arcade.tools.list(user_id=USER, toolkit="kit", limit=10))
    assert len(tools) == KIT_TOOLS == len({tool.qualified_name for tool in tools}), len(tools)
    assert [path for _, path in sent] == ["/v1/tools"] * 3, sent
    page = await now(arcade.tools.list(toolkit="KIT", limit=10, offset=20))
    assert (page.limit, page.offset, page.total_count, len(page.items)) == (10, 20, KIT_TOOLS, KIT_TOOLS - 20), page
    assert page.page_count == 3, page
    assert not (await now(arcade.tools.list(toolkit="no-such-kit"))).items

    by_name = {tool.qualified_name: tool for tool in tools}
    add = by_name["Kit.Add"]
    assert (add.name, add.fully_qualified_name) == ("Add", "Kit.Add@1.2.3"), add
    assert (add.toolkit.name, add.toolkit.version, add.description) == ("Kit", "1.2.3", "Adds two numbers"), add
    assert add.requirements is None or add.requirements.met is not False, add
    acme = by_name["Kit.WhoAtAcme"].requirements
    assert acme.met is False and acme.authorization.token_status == "not_started", acme
    assert acme.authorization.id == "acme" and acme.authorization.status == "active", acme
    github = by_name["Kit.WhoAtGithub"].requirements.authorization
    assert github.provider_id == "github" and github.oauth2.scopes == ["repo"], github
    (secret,) = by_name["Kit.Seal"].requirements.secrets
    assert (secret.key, secret.met) == ("ACME_KEY", True) and by_name["Kit.Seal"].requirements.met, secret
    behavior = by_name["Kit.DeleteNote"].metadata["behavior"]
    assert behavior["destructive"] and not behavior["read_only"] and behavior["operations"] == ["delete"], behavior
    for tool in tools:
        for parameter in tool.input.parameters or []:
            schema = parameter.value_schema
            assert schema.val_type != "array" or schema.inner_val_type, (tool.name, parameter)

    unasked = {tool.qualified_name: tool for tool in await every(arcade.tools.list(toolkit="Kit"))}
    assert unasked["Kit.WhoAtAcme"].requirements.authorization.token_status is None

    everything = {tool.qualified_name for tool in await every(arcade.tools.list())}
    assert "modern.test_simple_text" in everything and "Kit.Add" in everything, everything


async def formats():
    """Tools as models want them."""
    arcade = client()
    shapes = await now(arcade.tools.get("Kit.Shapes", include_format=["openai", "anthropic"], user_id=USER))
    function = shapes.formatted_schema["openai"]["function"]
    assert function["name"] == "Kit_Shapes", function
    parameters = function["parameters"]
    assert sorted(parameters["required"]) == ["color", "tags", "who"], parameters
    properties = parameters["properties"]
    assert "hidden" not in properties, "a parameter that is not for models"
    assert properties["color"]["enum"] == ["red", "blue"], properties
    assert properties["tags"]["items"]["type"] == "string", properties
    assert properties["colors"]["items"]["enum"] == ["red", "blue"], properties
    assert sorted(properties["who"]["required"]) == ["age", "name"], properties
    assert properties["people"]["items"]["properties"]["age"]["type"] == ["integer", "null"], properties
    assert shapes.formatted_schema["anthropic"]["input_schema"]["type"] == "object"
    assert {parameter.name for parameter in shapes.input.parameters} >= {"hidden", "note", "ratio"}

    for name in ("Kit_Shapes", "kit.shapes", "Kit.Shapes@1.2.3"):
        assert (await now(arcade.tools.get(name))).qualified_name == "Kit.Shapes", name
    for one in await every(arcade.tools.formatted.list(format="openai", toolkit="kit")):
        assert one["type"] == "function" and len(one["function"]["name"]) <= 64, one
        assert one["function"]["parameters"]["type"] == "object", one
    for one in await every(arcade.tools.formatted.list(format="anthropic", limit=100)):
        assert one["name"] and one["input_schema"]["type"] == "object", one
    single = await now(arcade.tools.formatted.get("Kit.Add", format="openai"))
    assert single["function"]["name"] == "Kit_Add", single
    of_mcp = await now(arcade.tools.formatted.get("modern.test_simple_text", format="anthropic"))
    assert of_mcp["name"], of_mcp
    await raises(NotFoundError, arcade.tools.get, "Kit.NoSuchTool")


async def agent():
    """A tool list for an agent, and what it does with the calls of a model: names have underscores throughout."""
    arcade = client()
    definitions = {}
    for tool in await every(arcade.tools.list(toolkit="kit")):
        definitions[f"{tool.toolkit.name}_{tool.name}"] = tool
    functions = [one["function"] for one in await every(arcade.tools.formatted.list(format="openai", toolkit="kit"))]
    assert {function["name"] for function in functions} == set(definitions), functions

    async def run(name, arguments):
        requirements = definitions[name].requirements
        if requirements and requirements.authorization:
            asked = await now(arcade.tools.authorize(tool_name=name, user_id=USER))
            if asked.status != "completed":
                return asked
        return await execute(arcade, name, arguments)

    asked = await run("Kit_WhoAtAcme", {})
    assert asked.status == "pending", asked
    ask_to_open(asked.url)
    await now(arcade.auth.wait_for_completion(asked))
    result = await run("Kit_WhoAtAcme", {})
    assert result.success and result.output.value["account"]["login"], result

    # What models send who were shown strict schemas: null for everything that they leave out.
    who = {"name": "Ada", "age": None}
    nulls = dict.fromkeys(["colors", "people", "free", "note", "count", "ratio", "flag"])
    result = await run("Kit_Shapes", {"color": "red", "tags": ["one"], "who": who, **nulls})
    assert result.success, result.output.error
    assert result.output.value["ratio"] == 0.5 and result.output.value["count"] == 1, result.output.value
    failed = await run("Kit_GiveUp", {})
    assert not failed.success and failed.tool_name and "This cannot be done" in failed.output.error.message, failed


async def tools_of_mcp():
    """Tools of an MCP server, by the same calls."""
    arcade = client()
    tool = await now(arcade.tools.get("modern.test_simple_text"))
    assert tool.toolkit.name == "modern" and tool.name == "test_simple_text", tool
    for name in ("modern.test_simple_text", "modern_test_simple_text"):
        result = await execute(arcade, name)
        assert result.success and "simple text" in str(result.output.value), result
    failed = await execute(arcade, "modern.test_error_handling")
    assert failed.success is False and failed.output.error.message, failed


async def failures():
    """Each way to fail, in the words of the worker, and each tool run once."""
    arcade = client()

    async def failed(tool, input=None, **rest):
        before = len(sent)
        result = await execute(arcade, tool, input, **rest)
        assert len(sent) == before + 1, f"{tool} was sent again"
        assert result.success is False and result.status == "failed" and result.output.error and result.output.value is None, result
        return result.output.error

    kinds = {
        "Kit.AskAgain": ("TOOL_RUNTIME_RETRY", True),
        "Kit.WhichOne": ("TOOL_RUNTIME_CONTEXT_REQUIRED", False),
        "Kit.GiveUp": ("TOOL_RUNTIME_FATAL", False),
        "Kit.FailsPlainly": ("TOOL_RUNTIME_FATAL", False),
        "Kit.FallsOver": ("TOOL_RUNTIME_FATAL", False),
        "Kit.Lies": ("TOOL_RUNTIME_BAD_OUTPUT_VALUE", False),
        "Kit.TooOften": ("UPSTREAM_RUNTIME_RATE_LIMIT", True),
        "Kit.NobodyThere": ("NETWORK_TRANSPORT_RUNTIME_UNREACHABLE", True),
    }
    for tool, (kind, can_retry) in kinds.items():
        error = await failed(tool)
        assert (error.kind, error.can_retry) == (kind, can_retry), (tool, error)
        assert not error.stacktrace and "for developers" not in str(error), (tool, error)
        assert "nothing that anybody should read" not in str(error), error
    again = await failed("Kit.AskAgain")
    assert again.additional_prompt_content == "The cities are Oslo and Bergen" and again.retry_after_ms == 500, again
    assert "Kim in Oslo" in (await failed("Kit.WhichOne")).additional_prompt_content
    assert (await failed("Kit.TooOften")).retry_after_ms == 7000
    assert (await failed("Kit.FallsOver", include_error_stacktrace=True)).stacktrace

    for status, kind in {
        401: "UPSTREAM_RUNTIME_AUTH_ERROR",
        404: "UPSTREAM_RUNTIME_NOT_FOUND",
        429: "UPSTREAM_RUNTIME_RATE_LIMIT",
        503: "UPSTREAM_RUNTIME_SERVER_ERROR",
    }.items():
        error = await failed("Kit.UpstreamAnswers", {"status": status})
        assert (error.kind, error.status_code) == (kind, status), error
    for bad in ({"a": 1}, {"a": 1, "b": "two"}, {"a": 1, "b": 2, "c": 3}):
        error = await failed("Kit.Add", bad)
        assert (error.kind, error.status_code) == ("TOOL_RUNTIME_BAD_INPUT_VALUE", 400), error

    key = f"fails-{USER}"
    assert (await failed("Kit.Tally", {"key": key, "fails": True})).kind == "TOOL_RUNTIME_FATAL"
    assert (await execute(arcade, "Kit.Tallied", {"key": key})).output.value == 1


async def refusals():
    """What is refused before any tool runs: by class, and by the words that programs look for."""
    arcade = client()
    for tool in ("Kit.WhoAtAcme", "Kit_WhoAtAcme"):
        error = await raises(PermissionDeniedError, execute, arcade, tool, words=ACCOUNT_NEEDED)
        assert error.body["name"] == "authorization_required", error.body
        assert error.body["message"].startswith("authorization required: "), error.body
    await raises(NotFoundError, execute, arcade, "Kit.NoSuchTool")
    await raises(NotFoundError, execute, arcade, "Kit.Add", {"a": 1, "b": 2}, tool_version="9.9.9")
    await raises(NotFoundError, arcade.tools.authorize, tool_name="Kit.NoSuchTool", user_id=USER)
    await raises(NotFoundError, arcade.auth.status, id="ac_nothing")
    await raises(NotFoundError, arcade.tools.scheduled.get, "nothing")
    await raises(BadRequestError, execute, arcade, "")
    await raises(BadRequestError, arcade.tools.execute, tool_name="Kit.WhoAtAcme")
    await raises(BadRequestError, arcade.auth.start, USER, "no-such-provider")
    await raises(BadRequestError, execute, arcade, "Kit.Add", {"a": 1, "b": 2}, run_at="tomorrow")
    stranger = client(api_key="arc_nobody")
    await raises(AuthenticationError, stranger.tools.list)


async def token_refused():
    """The service refuses a token: it is renewed once. It takes the grant back: the person is asked again."""
    arcade = client()
    await connect(arcade, "Kit.WhoAtGithub")
    httpx.post(f"{SERVICES['github']}/expire").raise_for_status()
    result = await execute(arcade, "Kit.WhoAtGithub")
    assert result.success, result.output.error

    # Of this one nobody knows that it may be run twice: whoever calls decides. The next call has a token that works.
    await connect(arcade, "Kit.WhoAtAcme")
    httpx.post(f"{SERVICES['acme']}/expire").raise_for_status()
    result = await execute(arcade, "Kit.WhoAtAcme")
    assert result.success or result.output.error.kind == "UPSTREAM_RUNTIME_AUTH_ERROR", result
    result = await execute(arcade, "Kit.WhoAtAcme")
    assert result.success, result.output.error

    httpx.post(f"{SERVICES['github']}/forget").raise_for_status()
    await raises(PermissionDeniedError, execute, arcade, "Kit.WhoAtGithub", words=[*ACCOUNT_NEEDED, "expired"])
    await connect(arcade, "Kit.WhoAtGithub")
    assert (await execute(arcade, "Kit.WhoAtGithub")).success


run(globals())
