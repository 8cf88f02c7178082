"""A small platform for the tests of load: log-in, refresh, three searches, a trace, a query; and ways to misbehave."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TENANTS = ("acme", "globex", "initech")
PASSWORD = "pw-{}-do-not-tell"

PROFILE = """\
target: {name: small, allow: {writes: true, load: true}}
urls: {api: "{{ urls.api }}"}
auth:
  flow: json_login
  login:
    post: /auth/login
    json: {username: "{username}", password: "{password}"}
    token: $.access_token
    refresh: $.refresh_token
    expires_in: $.expires_in
  refresh: {post: /auth/refresh, json: {refresh_token: "{refresh_token}"}}
  me: {get: /auth/me, tenant: $.tenant_id}
operations:
  auth.login: {post: /auth/login, json: {username: "{username}", password: "{password}"}}
  auth.me: {get: /auth/me}
  search.logs: &search
    post: /search
    json: {type: logs, range: ["{from}", "{to}"], filters: "{filters?}", limit: "{limit}"}
    items: $.items
  search.traces: {<<: *search, json: {type: traces, range: ["{from}", "{to}"], filters: "{filters?}", limit: "{limit}"}}
  search.metrics: {<<: *search, json: {type: metrics, range: ["{from}", "{to}"], filters: "{filters?}", limit: "{limit}"}}
  traces.get: {get: "/traces/{trace_id}", items: $.spans}
  metrics.query: {post: /metrics/query, json: {query: "{query}"}, items: $.data.result}
  health.ready: {get: /health/ready}
"""


class SmallPlatform:
    """Serves while the context is open. counts: answers given, by (operation, tenant). Switches may be set at any time:
    leak (operation that shows a foreign item), marks (items say whose they are), broken (operation -> status), stray (a search is answered with an item that is older than was asked for)."""

    def __init__(self, *, token_s: float = 300.0) -> None:
        self.token_s, self.leak, self.marks, self.stray = token_s, "", True, False
        self.broken: dict[str, int] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.secrets: set[str] = set()
        self._access: dict[str, tuple[str, float]] = {}
        self._refresh: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self.open = threading.Event()  # cleared: requests are taken but not answered
        self.open.set()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                platform.answer(self)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> SmallPlatform:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:  # kept-alive ones have threads that would go on answering
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @property
    def requests(self) -> int:
        with self._lock:
            return sum(self.counts.values())

    def by_operation(self) -> Counter[str]:
        found: Counter[str] = Counter()
        with self._lock:
            for (operation, _), number in self.counts.items():
                found[operation] += number
        return found

    def expire_tokens(self) -> None:
        """All access tokens given so far are refused from now on."""
        with self._lock:
            self._access.clear()

    def environment(self, home: Path) -> None:
        """Describe this platform as environment `local` of a home."""
        folder = home / "env" / "local"
        (folder / "secrets").mkdir(parents=True)
        users = [
            {"username": f"{tenant}-{role}", "password": PASSWORD.format(tenant), "tenant": tenant, "roles": [role]}
            for tenant in TENANTS
            for role in ("viewer", "analyst")
        ]
        self.secrets.update(user["password"] for user in users)
        identities = {"tenants": [{"id": tenant} for tenant in TENANTS], "users": users}
        (folder / "secrets" / "identities.json").write_text(json.dumps(identities))
        (folder / "target.yml").write_text(PROFILE)
        state = {"v": 1, "environment": "local", "target_file": str(folder / "target.yml"), "urls": {"api": self.url}}
        (folder / "state.json").write_text(json.dumps(state))

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self._connections.add(request.connection)
        body = json.loads(request.rfile.read(int(request.headers.get("Content-Length") or 0)) or b"{}")
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ")
        self.open.wait(30)
        with self._lock:
            operation, tenant, status, document = self._serve(request.path, body, token)
            self.counts[operation, tenant] += 1
        data = json.dumps(document).encode()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the caller may have given up
            self._reply(request, status, data)

    def _reply(self, request: BaseHTTPRequestHandler, status: int, data: bytes) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(data)))
        request.send_header("X-Request-ID", f"request-{next(self._numbers)}")
        request.end_headers()
        request.wfile.write(data)

    def _serve(self, path: str, body: dict[str, Any], token: str) -> tuple[str, str, int, Any]:
        operation = {"/auth/login": "auth.login", "/auth/refresh": "auth.refresh", "/auth/me": "auth.me"}.get(path)
        if path == "/health/ready":
            return "health.ready", "", 200, {}
        if operation == "auth.login":
            tenant = str(body["username"]).split("-")[0]
            if body["password"] != PASSWORD.format(tenant):
                return operation, tenant, 401, {"error": {"code": "bad_credentials"}}
            return operation, tenant, *self._session(tenant)
        if operation == "auth.refresh":
            tenant = self._refresh.pop(body["refresh_token"], "")
            return (operation, tenant, *self._session(tenant)) if tenant else (operation, "", 401, {})
        tenant, until = self._access.get(token, ("", 0.0))
        if operation is None:
            operation = {"/search": f"search.{body.get('type')}", "/metrics/query": "metrics.query"}.get(
                path, "traces.get"
            )
        if not tenant or time.monotonic() > until:
            return operation, tenant, 401, {"error": {"code": "token_expired"}}
        if status := self.broken.get(operation):
            return operation, tenant, status, {"error": {"code": "broken", "token": token}}
        if operation == "auth.me":
            return operation, tenant, 200, {"tenant_id": "globex" if self.leak == "auth.login" else tenant}
        shown = [tenant] * 5
        if self.leak == operation:
            shown[2] = next(other for other in TENANTS if other != tenant)
        if operation == "traces.get":
            trace = path.rsplit("/", 1)[1]
            spans = [self._item("traces", owner, trace, time.time_ns()) for owner in shown]
            return operation, tenant, 200, {"trace_id": trace, "spans": spans}
        if operation == "metrics.query":
            labels = [
                ({"__name__": "requests_total"} | ({"app_tenant": owner} if self.marks else {})) for owner in shown
            ]
            result = [{"metric": item, "value": [time.time(), "1"]} for item in labels]
            return operation, tenant, 200, {"status": "success", "data": {"resultType": "vector", "result": result}}
        newest = int(body["range"][1])
        items = [
            self._item(body["type"], owner, f"{number:032x}", newest - number * 1000)
            for number, owner in enumerate(shown)
        ]
        if self.stray:
            items.append(self._item(body["type"], tenant, "f" * 32, int(body["range"][0]) - 1))
        return operation, tenant, 200, {"items": items[: body["limit"]]}

    def _session(self, tenant: str) -> tuple[int, Any]:
        number = next(self._numbers)
        access, refresh = f"access-secret-{number}", f"refresh-secret-{number}"
        self._access[access] = (tenant, time.monotonic() + self.token_s)
        self._refresh[refresh] = tenant
        self.secrets.update((access, refresh))
        return 200, {"access_token": access, "refresh_token": refresh, "expires_in": self.token_s}

    def _item(self, source: str, tenant: str, trace: str, when: int) -> dict[str, Any]:
        content: dict[str, Any] = {"resource": {"app.tenant": tenant} if self.marks else {}}
        if source == "metrics":
            content["name"] = "requests_total"
        return {
            "id": f"{source}-{when}", "timestamp": "2026-01-01T00:00:00Z", "time_unix_nano": str(when),
            "source": source, "service": "web", "trace_id": trace, "content": content,
        }  # fmt: skip
