"""Stack traces of several lines, as each language prints them; the frames are of the service and its operation."""

from __future__ import annotations

from collections.abc import Callable

from runners.datagen.formats.code import place
from runners.datagen.formats.line import Facts
from runners.datagen.formats.pools import number

_BUILTIN = {
    "python": ("TimeoutError", "ConnectionError", "ValueError", "KeyError"),
    "java": ("NullPointerException", "IllegalStateException"),
}


def stack(facts: Facts) -> str:
    """The trace of the failure that the facts tell of, in the language of the service; no line end at its end.

    Raises ValueError when they tell of none.
    """
    if facts.error is None:
        raise ValueError("there is no error to trace")
    return _STACKS.get(facts.language, _python)(facts, *facts.error)


def _python(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    qualified = error if error in _BUILTIN["python"] else f"{facts.service}.errors.{error}"
    return "\n".join((
        "Traceback (most recent call last):",
        '  File "/usr/local/lib/python3.13/site-packages/starlette/routing.py", line 73, in app',
        "    response = await f(request)",
        f'  File "/app/{facts.service}/handlers.py", line {handler.line}, in {handler.snake}',
        f"    return await store.{inner.snake}(request)",
        f'  File "/app/{facts.service}/store.py", line {inner.line}, in {inner.snake}',
        f"    raise {error}({_quoted(message)})",
        f"{qualified}: {message}",
    ))  # fmt: skip


def _java(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    package = f"com.example.shop.{facts.service}"
    qualified = f"java.lang.{error}" if error in _BUILTIN["java"] else f"{package}.{error}"
    name = facts.service.capitalize()
    return "\n".join((
        f"{qualified}: {message}",
        f"\tat {package}.{name}Store.{inner.camel}({name}Store.java:{inner.line})",
        f"\tat {package}.{name}Controller.{handler.camel}({name}Controller.java:{handler.line})",
        "\tat java.base/jdk.internal.reflect.DirectMethodHandleAccessor.invoke(DirectMethodHandleAccessor.java:104)",
        "\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)",
        "\tat java.base/java.lang.Thread.run(Thread.java:1583)",
        f"Caused by: java.io.IOException: {message}",
        "\t... 38 more",
    ))  # fmt: skip


def _go(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    module = f"shop.example.com/{facts.service}"
    return "\n".join((
        f"panic: {error}: {message}",
        "",
        f"goroutine {number(18, 9000, 'goroutine', facts.service, facts.variant)} [running]:",
        f"{module}/store.(*Store).{inner.pascal}(0xc000{number(0x100000, 0xFFFFFF, 'frame', facts.variant):06x}, {{0xe5a8f8, 0xc000010140}})",
        f"\t/src/{facts.service}/store/store.go:{inner.line} +0x{inner.line * 5:x}",
        f"{module}/server.(*Server).{handler.pascal}(0xc0001a2000, {{0xe5a8f8, 0xc000010140}})",
        f"\t/src/{facts.service}/server/server.go:{handler.line} +0x{handler.line * 3:x}",
        "net/http.HandlerFunc.ServeHTTP(0xc0000b6000?, {0xe59d10?, 0xc000134000?}, 0x7?)",
        "\t/usr/local/go/src/net/http/server.go:2322 +0x29",
        "created by net/http.(*Server).Serve in goroutine 1",
        "\t/usr/local/go/src/net/http/server.go:3493 +0x485",
    ))  # fmt: skip


def _node(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    return "\n".join((
        f"{error}: {message}",
        f"    at {inner.camel} (/app/{facts.service}/src/store.js:{inner.line}:11)",
        f"    at async {handler.camel} (/app/{facts.service}/src/routes.js:{handler.line}:22)",
        "    at Layer.handleRequest (/app/node_modules/router/lib/layer.js:152:17)",
        "    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)",
    ))  # fmt: skip


def _dotnet(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    name = facts.service.capitalize()
    return "\n".join((
        f"Shop.{name}.{error}: {message}",
        f"   at Shop.{name}.Store.{inner.pascal}() in /src/{name}/Store.cs:line {inner.line}",
        f"   at Shop.{name}.Handlers.{handler.pascal}(HttpContext context) in /src/{name}/Handlers.cs:line {handler.line}",
        "   at Microsoft.AspNetCore.Routing.EndpointMiddleware.<Invoke>g__AwaitRequestTask|7_0(Endpoint endpoint, Task requestTask, ILogger logger)",
    ))  # fmt: skip


def _rust(facts: Facts, error: str, message: str) -> str:
    handler, inner = place(facts.service, facts.operation), place(facts.service, facts.operation, 1)
    return "\n".join((
        f"thread 'tokio-runtime-worker' panicked at src/store.rs:{inner.line}:9:",
        f"{error}: {message}",
        "stack backtrace:",
        "   0: rust_begin_unwind",
        "             at /rustc/ed61e7d7e/library/std/src/panicking.rs:697:5",
        f"   1: {facts.service}::store::{inner.snake}",
        f"             at ./src/store.rs:{inner.line}:9",
        f"   2: {facts.service}::handlers::{handler.snake}",
        f"             at ./src/handlers.rs:{handler.line}:5",
    ))  # fmt: skip


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_STACKS: dict[str, Callable[[Facts, str, str], str]] = {
    "python": _python, "java": _java, "go": _go, "nodejs": _node, "dotnet": _dotnet, "rust": _rust,
}  # fmt: skip
