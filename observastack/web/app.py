"""What the browser talks to: files of the frontend, and under the same origin the backend's API."""

from __future__ import annotations

import time
from urllib.parse import unquote

from starlette.types import Receive, Scope, Send

from observastack import defects
from observastack.config import Config
from observastack.web import sockets
from observastack.web.answers import answer, document, refuse, request_id
from observastack.web.headers import page_security
from observastack.web.proxy import Proxy
from observastack.web.site import Asset, Site

PROXIED = ("/api/", "/.well-known/")
PROBE_S = 1.0


class Web:
    """The ASGI application. Raises PlatformError when the frontend is not built."""

    def __init__(self, config: Config, site: Site) -> None:
        defects.configure(config)
        self._site, self._config = site, config
        self._security = page_security(config)
        self._endpoints_known = config.auth.method != "oidc"
        self._backend = f"{config.backend.host}:{config.backend.port}"
        self._proxy = Proxy(f"http://{self._backend}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "http":
                await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, request = scope["path"], request_id(scope)
        if not is_plain(path):
            await refuse(send, 400, "this is not a path of this server", request, self._security)
        elif path.startswith(PROXIED):
            await self._proxy.pass_on(scope, receive, send, request)
        elif scope["method"] not in ("GET", "HEAD"):
            allow = [(b"allow", b"GET, HEAD"), *self._security]
            await refuse(send, 405, "only GET and HEAD are possible here", request, allow)
        elif path == "/health/live":
            await document(send, 200, {"status": "live"}, self._security)
        elif path == "/health/ready":
            await self._ready(send)
        else:
            await self._file(scope, send)

    async def _know_endpoints(self) -> None:
        """Where the provider's endpoints lie is known to the backend alone, by discovery; asked until it has told once."""
        info = await self._proxy.document("/api/v1/auth/auth-info", PROBE_S)
        if info is not None and info.get("method") == "oidc":
            named = [info.get(name) for name in ("token_endpoint", "end_session_endpoint")]
            self._security = page_security(self._config, [url for url in named if isinstance(url, str)])
            self._endpoints_known = True

    async def _file(self, scope: Scope, send: Send) -> None:
        if not self._endpoints_known:
            await self._know_endpoints()
        asset, head = self._site.find(scope["path"]), scope["method"] == "HEAD"
        if asset is None:
            plain = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
            await answer(send, 404, b"not found\n", [*plain, *self._security], head=head)
            return
        sent = dict(scope["headers"])
        coding, body = asset.best(sent.get(b"accept-encoding", b"").decode("latin-1"))
        etag = f'"{asset.etag}-{coding}"'.encode()
        headers = [
            (b"cache-control", _caching(asset)), (b"etag", etag), (b"vary", b"accept-encoding"), *self._security,
        ]  # fmt: skip
        if etag in (part.strip().removeprefix(b"W/") for part in sent.get(b"if-none-match", b"").split(b",")):
            await answer(send, 304, b"", headers)
            return
        headers.append((b"content-type", asset.media_type.encode()))
        if coding != "identity":
            headers.append((b"content-encoding", coding.encode()))
        await answer(send, 200, body, headers, head=head)

    async def _ready(self, send: Send) -> None:
        """Ready when there is something to serve and the backend can be reached; what the backend lacks is its own to say."""
        began = time.perf_counter()
        reason = await self._proxy.alive(PROBE_S)
        milliseconds = round((time.perf_counter() - began) * 1000, 3)
        site = None if self._site.ready() else "the folder of the built frontend is gone"
        found = [("site", site, 0.0), ("backend", reason, milliseconds)]
        good = reason is None and site is None
        content = {
            "status": "ready" if good else "not_ready",
            "dependencies": [
                {"name": name, "ready": why is None, "latency_ms": latency, "reason": why}
                for name, why, latency in found
            ],
        }
        await document(send, 200 if good else 503, content, self._security)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_plain(scope["path"]) and scope["path"].startswith("/api/"):
            await sockets.pass_on(self._backend, scope, receive, send, request_id(scope))
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._proxy.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})


def is_plain(path: str) -> bool:
    """No dot segments, not even encoded ones: `/api/../metrics` must not be another path to the backend than to us."""
    segments = unquote(path).replace("\\", "/").split("/")
    return path.startswith("/") and not {".", ".."} & set(segments) and "\0" not in path


def _caching(asset: Asset) -> bytes:
    """A hashed name never changes its content; everything else is asked about each time (and answered by 304)."""
    return b"public, max-age=31536000, immutable" if asset.immutable else b"no-cache"
