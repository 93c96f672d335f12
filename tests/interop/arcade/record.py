"""Writes down what kit.py says on the wire, for tests that have no Python: `record.py` fills `recorded/`.

Times and ports are replaced, and stack traces cut short, because they would be others each time.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import jwt

HERE = Path(__file__).parent
SECRET = "a secret for tests, as long as it should be"
TOKEN = "a-token-that-works"
TOOLKIT = {"toolkit": "Kit", "version": "1.2.3"}
WHO = {"name": "Ada", "age": None}


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/me":
            status = 200 if self.headers["Authorization"] == f"Bearer {TOKEN}" else 401
        else:
            status = int(self.path.split("/")[-1])
        body = json.dumps({"login": "ada"} if status == 200 else {"message": f"status {status}"}).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def context(**rest):
    return {"user_id": "ada", **rest}


def signed_in(token=TOKEN):
    return context(authorization={"token": token, "user_info": {"sub": "42"}}, secrets=[{"key": "ACME_KEY", "value": "s3"}])


def call(name, inputs=None, with_context=None, **tool):
    return {
        "run_id": "tr_01",
        "execution_id": "te_01",
        "created_at": "2026-01-01T00:00:00Z",
        "tool": {"name": name, **TOOLKIT, **tool},
        "inputs": inputs or {},
        "context": context() if with_context is None else with_context,
    }


SHAPES = {"color": "red", "tags": ["one", "two"], "who": WHO}
CASES = {
    "add": call("Add", {"a": 1, "b": 2}),
    "add-any-case": call("aDD", {"a": 1, "b": 2}, toolkit="kIT"),
    "add-no-version": call("Add", {"a": 1, "b": 2}, version=None),
    "add-numbers-as-text": call("Add", {"a": "1", "b": "2"}),
    "shapes-least": call("Shapes", SHAPES),
    "shapes-all": call(
        "Shapes",
        {
            **SHAPES,
            "colors": ["red", "blue"],
            "people": [WHO, {"name": "Grace", "age": 37, "nickname": "Amazing"}],
            "free": {"deep": {"er": [1, None]}},
            "note": None,
            "count": 2,
            "ratio": 1.5,
            "flag": True,
            "hidden": "shown",
        },
    ),
    "text-result": call("Greeting", {"name": "Ada"}),
    "list-result": call("Words", {"text": "one two"}),
    "no-result": call("Nothing"),
    "null-result": call("Maybe", {"text": None}),
    "bad-input-missing": call("Add", {"a": 1}),
    "bad-input-extra": call("Add", {"a": 1, "b": 2, "c": 3}),
    "bad-input-enum": call("Shapes", {**SHAPES, "color": "green"}),
    "bad-input-type": call("Add", {"a": "one", "b": 2}),
    "bad-input-null-for-optional": call("Shapes", {**SHAPES, "ratio": None}),
    "bad-input-nested-extra": call("Shapes", {**SHAPES, "who": {**WHO, "shoe_size": 44}}),
    "bad-output": call("Lies"),
    "account": call("WhoAtGithub", with_context=signed_in()),
    "account-custom": call("WhoAtAcme", with_context=signed_in()),
    "account-no-token": call("WhoAtAcme"),
    "account-token-refused": call("WhoAtAcme", with_context=signed_in("a-token-that-does-not")),
    "account-user-info-null": call("WhoAtAcme", with_context=context(authorization={"token": TOKEN, "user_info": None})),
    "account-and-secret": call("DeleteNote", {"note": "n-1"}, signed_in()),
    "secret": call("Seal", {"text": "hello"}, signed_in()),
    "secret-missing": call("Seal", {"text": "hello"}),
    "retry": call("AskAgain"),
    "context-required": call("WhichOne"),
    "fatal": call("GiveUp"),
    "fatal-plain": call("FailsPlainly"),
    "unhandled": call("FallsOver"),
    **{f"upstream-{status}": call("UpstreamAnswers", {"status": status}) for status in (400, 401, 403, 404, 422, 429, 500, 503)},
    "rate-limit": call("TooOften"),
    "unreachable": call("NobodyThere"),
    "unknown-tool": call("NoSuchTool"),
    "unknown-version": call("Add", {"a": 1, "b": 2}, version="9.9.9"),
    "no-tool": {"inputs": {}},
    "not-json": "}{",
}


def bearer(secret=SECRET, algorithm="HS256", **claims):
    return {"Authorization": f"Bearer {jwt.encode({'aud': 'worker', 'ver': '1', **claims}, secret, algorithm=algorithm)}"}


REFUSALS = {
    "unsigned": {},
    "wrong-secret": bearer("another secret for tests, as long as it should be"),
    "wrong-audience": bearer(aud="client"),
    "wrong-version": bearer(ver=1),
    "expired": bearer(exp=1_700_000_000),
    "issued-in-the-future": bearer(iat=4_000_000_000),
}


def recorded(response, hide):
    text = response.text
    for pattern, instead in hide:
        text = re.sub(pattern, instead, text)
    answer = {"status": response.status_code, "content_type": response.headers.get("content-type")}
    if "www-authenticate" in response.headers:
        answer["www_authenticate"] = response.headers["www-authenticate"]
    try:
        body = json.loads(text)
    except ValueError:
        return {**answer, "text": text}
    error = (body.get("output") or {}).get("error") or {}
    if error.get("stacktrace"):
        first, *_, last = error["stacktrace"].strip().splitlines()
        error["stacktrace"] = f"{first}\n{last}\n"
    return {**answer, "body": body}


def write(name, what):
    path = HERE / "recorded" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(what, indent=2, ensure_ascii=False) + "\n")


def main():
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    origin = f"http://127.0.0.1:{service.server_port}"
    environment = {
        **os.environ,
        "ARCADE_USAGE_TRACKING": "0",
        "ARCADE_WORKER_SECRET": SECRET,
        "KIT_GITHUB": origin,
        "KIT_ACME": origin,
    }
    kit = subprocess.Popen(
        [sys.executable, str(HERE / "kit.py"), str(port)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    hide = [
        (r'"finished_at":"[^"]*"', '"finished_at":"2026-01-01T00:00:00.500000"'),
        (r'"duration":[\d.e-]+', '"duration":1.25'),
        (re.escape(origin), "http://127.0.0.1:8003"),
    ]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/worker", timeout=30) as http:
            for _ in range(150):
                try:
                    health = http.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.2)
            write("health", recorded(health, hide))
            write("catalogue", http.get("/tools", headers=bearer()).json())
            write("refusals", {name: recorded(http.get("/tools", headers=headers), hide) for name, headers in REFUSALS.items()})
            for name, request in CASES.items():
                content = request if isinstance(request, str) else json.dumps(request)
                headers = {**bearer(), "Content-Type": "application/json"}
                # A connection of its own each: after a 500 the server closes without saying so.
                headers["Connection"] = "close"
                answer = recorded(http.post("/tools/invoke", content=content, headers=headers), hide)
                write(f"invoke/{name}", {"request": request, "response": answer})
    finally:
        kit.terminate()
        kit.wait()
        service.shutdown()


main()
