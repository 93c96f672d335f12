"""What schemathesis cannot guess: names that are there. Well-formed requests get them; malformed ones stay as they are.

SCHEMATHESIS_HOOKS names this file.
"""

import schemathesis
from schemathesis.generation import GenerationMode

USER = "somebody"

# Tools, with arguments that each takes.
TOOLS = [
    ("Kit.Add", {"a": 1, "b": 2}),
    ("Kit_Greeting", None),
    ("kit.shapes@1.2.3", {"color": "red", "tags": ["one"], "who": {"name": "Ada", "age": None}}),
    ("Kit.WhoAtAcme", {}),
    ("Kit.Seal", {"text": "hello"}),
    ("Kit.FallsOver", {}),
    ("modern.test_simple_text", {}),
]
THERE = {
    "/v1/admin/auth_providers/{id}": ["acme", "github"],
    "/v1/workers/{id}": ["kit", "modern"],
    "/v1/workers/{id}/health": ["kit", "modern"],
    "/v1/workers/{id}/tools": ["kit", "modern"],
}


def one_of(choices, case):
    """One that depends on nothing but the request, so that a run can be repeated."""
    return choices[len(repr((case.body, case.query, case.path_parameters))) % len(choices)]


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    path = case.operation.path
    if path in THERE:
        case.path_parameters["id"] = one_of(THERE[path], case)
    elif path.endswith("tools/{name}"):
        case.path_parameters["name"] = one_of(TOOLS, case)[0]
    elif path == "/v1/admin/secrets/{key}":
        case.path_parameters["key"] = one_of(["KEY_1", "KEY_2", "ACME_KEY"], case)
    if "user_id" in (case.query or {}):
        case.query["user_id"] = USER
    if isinstance(case.body, dict):
        fill(case.body, one_of(TOOLS, case))


def fill(body, tool):
    name, arguments = tool
    if "tool_name" in body:
        body["tool_name"] = name
        body.pop("tool_version", None)
        if len(repr(body)) % 2:
            body["input"] = arguments
    if "tool_names" in body:
        body["tool_names"] = [name for name, _ in TOOLS]
        body.pop("tools", None)
    if "user_id" in body:
        body["user_id"] = USER
    if "provider" in body:
        body["provider"] = "acme"
    requirement = body.get("auth_requirement")
    if isinstance(requirement, dict):
        requirement.update(provider_id="acme", id=None, oauth2={"scopes": ["notes.read"]})
    # What may go elsewhere has to be at the application, which no guess is. An empty time is none, which no schema can say.
    body.pop("next_uri", None)
    if body.get("run_at") == "":
        del body["run_at"]
