"""An application with users of its own, on the Python client: what verifier.mjs is, in Python. `verifier.py PORT`.

Before it sends people on, it waits until the account is there, which must not need that anybody visits `next_uri`.
"""

import secrets
import sys

import uvicorn
from arcadepy import APIStatusError, AsyncArcade
from fastapi import Cookie, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse

arcade = AsyncArcade()
app = FastAPI()
sessions = {}

SIGN_IN = """<form method="post">
<label>Name <input name="name"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button></form>"""


def page(title, body="", status=200):
    html = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>{body}</html>'
    return HTMLResponse(html, status)


@app.get("/")
async def home(session: str = Cookie("", alias="app")):
    return page("Signed in") if session in sessions else page("App", SIGN_IN)


@app.post("/")
async def sign_in(request: Request):
    # Names are plain in the tests, so nothing is decoded.
    fields = dict(field.split("=") for field in (await request.body()).decode().split("&"))
    session = secrets.token_urlsafe(24)
    sessions[session] = fields["name"]
    response = RedirectResponse("/", 303)
    response.set_cookie("app", session, httponly=True, samesite="lax")
    return response


@app.get("/verify")
async def verify(flow_id: str, session: str = Cookie("", alias="app")):
    try:
        confirmed = await arcade.auth.confirm_user(flow_id=flow_id, user_id=sessions.get(session, ""))
        completed = await arcade.auth.wait_for_completion(confirmed.auth_id)
    except APIStatusError as error:
        return page("Not connected", f'<p role="alert">{error.status_code}</p>', 400)
    if confirmed.next_uri:
        return RedirectResponse(confirmed.next_uri, 303)
    return page("Connected", f"<p>It is {completed.status}.</p>")


@app.get("/after")
async def after():
    return page("Connected", "<p>You came back to where you wanted to.</p>")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="info")
