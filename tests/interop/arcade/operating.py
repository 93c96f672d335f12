"""Programs for operators, and for what runs by itself, as people write them with arcadepy: `operating.py STORY`."""

import asyncio
import os
from datetime import datetime, timedelta, timezone

from arcadepy import APIStatusError, ConflictError, NotFoundError, PermissionDeniedError
from program import ACCOUNT_NEEDED, KIT_TOOLS, USER, ask_to_open, client, connect, every, execute, now, raises, run, sent


async def later():
    """Runs at a time, and is asked for afterwards."""
    arcade = client()
    key = f"later-{USER}"
    soon = datetime.now(timezone.utc) + timedelta(seconds=2)
    for run_at in (soon.isoformat(timespec="seconds"), soon.strftime("%Y-%m-%dT%H:%M:%S")):
        scheduled = await execute(arcade, "Kit.Tally", {"key": key}, run_at=run_at)
        assert scheduled.success and scheduled.execution_type == "scheduled" and scheduled.status == "pending", scheduled
        assert scheduled.output is None or scheduled.output.value is None, scheduled
        mine = {one.id: one for one in await every(arcade.tools.scheduled.list(limit=100))}
        assert scheduled.id in mine, mine
        for _ in range(100):
            seen = await now(arcade.tools.scheduled.get(scheduled.id))
            if seen.execution_status == "completed":
                break
            assert seen.execution_status in ("pending", "running"), seen
            await asyncio.sleep(0.2)
        (attempt,) = seen.attempts
        assert attempt.success and attempt.output.value, seen
        assert (seen.tool_name, seen.toolkit_name, seen.user_id) == ("Tally", "Kit", USER), seen
    assert (await execute(arcade, "Kit.Tallied", {"key": key})).output.value == 2


async def requirements():
    """One question for everything that several tools need."""
    arcade = client()

    async def ask(**body):
        return await now(arcade.post("/v1/tools/requirements", body={"user_id": USER, **body}, cast_to=object))

    names = ["Kit.Add", "Kit.WhoAtAcme", "Kit.DeleteNote", "Kit.WhoAtGithub", "Kit.Seal"]
    answer = await ask(tool_names=names, authorize=False)
    assert answer["met"] is False and answer["authorization"]["met"] is False, answer
    assert answer["secrets"]["met"] is True, answer
    items = answer["authorization"]["items"].values()
    assert all(not item.get("url") for item in items), "a link that nobody asked for"

    answer = await ask(tool_names=names, authorize=True)
    urls = {item["url"] for item in answer["authorization"]["items"].values()}
    assert len(urls) == 2, answer
    for url in sorted(urls):
        ask_to_open(url)
    for item in answer["authorization"]["items"].values():
        await now(arcade.auth.wait_for_completion(item["authorization_id"]))
    assert (await ask(tools=[{"tool_name": name} for name in names]))["met"] is True
    listed = {tool.qualified_name: tool for tool in await every(arcade.tools.list(user_id=USER, toolkit="kit"))}
    assert all(listed[name].requirements.met is not False for name in names), listed
    assert listed["Kit.WhoAtAcme"].requirements.authorization.token_status == "completed", listed
    assert (await execute(arcade, "Kit.DeleteNote", {"note": "n-1"})).success


async def administration():
    """What operators' programs look at and change."""
    arcade = client()
    assert (await now(arcade.health.check())).healthy is True

    providers = {one.id: one for one in (await now(arcade.admin.auth_providers.list())).items}
    assert {"acme", "github"} <= set(providers), providers
    assert "make-believe" not in str(providers), "a client secret"
    assert (await now(arcade.admin.auth_providers.get("acme"))).id == "acme"
    await raises(ConflictError, arcade.admin.auth_providers.create, id="mine", words=["[providers.mine]"])

    await connect(arcade, "Kit.WhoAtAcme")
    mine = await every(arcade.admin.user_connections.list(user={"id": USER}, provider={"id": "acme"}))
    (connection,) = mine
    assert (connection.user_id, connection.provider_id) == (USER, "acme"), connection
    assert connection.id and connection.provider_user_info, connection
    assert not await every(arcade.admin.user_connections.list(user={"id": USER}, provider={"id": "github"}))
    await now(arcade.admin.user_connections.delete(connection.id))
    assert not await every(arcade.admin.user_connections.list(user={"id": USER}))
    await raises(PermissionDeniedError, execute, arcade, "Kit.WhoAtAcme", words=ACCOUNT_NEEDED)
    await raises(NotFoundError, arcade.admin.user_connections.delete, connection.id)

    (worker,) = [one for one in await every(arcade.workers.list()) if one.id == "kit"]
    assert worker.type == "http" and worker.enabled, worker
    health = await now(arcade.workers.health("kit"))
    assert health.healthy is True and health.enabled, health
    assert len(await every(arcade.workers.tools("kit", limit=10))) == KIT_TOOLS
    new = {"id": "more", "http": {"uri": "http://127.0.0.1:9", "secret": "shh", "timeout": 30, "retry": 1}, "type": "http"}
    await raises(ConflictError, arcade.workers.create, **new, words=["[upstreams.more]"])
    await raises(NotFoundError, arcade.workers.get, "no-such-worker")


async def secrets():
    """Secrets go in, and never come out."""
    arcade = client()
    name = f"KEY_{USER.upper().replace('-', '_')}"
    value = f"value-of-{name}"

    async def stored():
        listed = (await now(arcade.admin.secrets.list())).items
        assert value not in str(listed) and os.environ["ACME_KEY"] not in str(listed), "a value came out"
        return {one.key: one for one in listed}

    assert "ACME_KEY" in await stored() and name not in await stored()
    body = {"value": value, "description": "for a test"}
    made = await now(arcade.post(f"/v1/admin/secrets/{name}", body=body, cast_to=object))
    assert made["key"] == name and value not in str(made), made
    mine = (await stored())[name]
    assert mine.description == "for a test" and mine.created_at, mine
    await now(arcade.admin.secrets.delete(mine.id))
    assert name not in await stored()
    fixed = (await stored())["ACME_KEY"]
    await raises(ConflictError, arcade.admin.secrets.delete, fixed.id, words=["gateway.toml"])


async def other_paths():
    """The same by the addresses and the header that other programs use."""
    bearer = client(default_headers={"Authorization": f"Bearer {os.environ['ARCADE_API_KEY']}"})
    page = await now(bearer.get("/v1/orgs/any/projects/any/tools?limit=1&toolkit=kit", cast_to=object))
    assert page["total_count"] == KIT_TOOLS and len(page["items"]) == 1, page
    body = {"tool_name": "Kit.Add", "input": {"a": 1, "b": 2}, "user_id": USER}
    result = await now(bearer.post("/v1/orgs/any/projects/any/tools/execute", body=body, cast_to=object))
    assert result["success"] and result["output"]["value"] == 3, result
    document = await now(bearer.get("/v1/openapi.json", cast_to=object))
    assert document["openapi"].startswith("3.") and "/v1/tools/execute" in document["paths"], list(document["paths"])


async def worker_is_gone():
    """The tool server does not run any more: one try, and an answer."""
    arcade = client()
    before = len(sent)
    try:
        result = await execute(arcade, "Kit.Add", {"a": 1, "b": 2})
        assert result.success is False and result.output.error.kind.startswith("NETWORK_TRANSPORT_"), result
    except APIStatusError as error:
        assert error.status_code >= 500 and error.response.headers.get("x-should-retry") == "false", error
    assert len(sent) == before + 1, sent
    assert (await now(arcade.workers.health("kit"))).healthy is False


async def worker_is_there():
    """The tool server runs, and so do its tools, at once or soon."""
    arcade = client()
    for _ in range(100):
        result = await execute(arcade, "Kit.Add", {"a": 1, "b": 2})
        if result.success:
            break
        assert result.output.error.can_retry, result
        await asyncio.sleep(0.2)
    assert result.output.value == 3, result
    assert (await now(arcade.workers.health("kit"))).healthy is True


run(globals())
