"""A program, written for Arcade. It reads ARCADE_BASE_URL and ARCADE_API_KEY, as all of them do.

    python program.py [USER]
"""

import sys

from arcadepy import Arcade

user = sys.argv[1] if len(sys.argv) > 1 else "ada"
client = Arcade()

for tool in client.tools.list(user_id=user):
    print(f"{tool.qualified_name}: {tool.description}")

total = client.tools.execute(tool_name="Desk.Add", input={"a": 19, "b": 23}, user_id=user)
print("Desk.Add:", total.output.value)

signed = client.tools.execute(tool_name="Desk.Sign", input={"text": "See you at noon."}, user_id=user)
print("Desk.Sign:", signed.output.value)

authorization = client.tools.authorize(tool_name="Desk.WhoseNotes", user_id=user)
if authorization.status != "completed":
    print(f"Open this as {user}, and come back: {authorization.url}", flush=True)
    client.auth.wait_for_completion(authorization)

answer = client.tools.execute(tool_name="Desk.WhoseNotes", user_id=user)
print("Desk.WhoseNotes:", answer.output.value)
