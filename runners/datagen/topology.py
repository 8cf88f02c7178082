"""The simulated system: services of a web shop, their operations, and the trees of calls that user requests make.

Attribute names are those of the OpenTelemetry semantic conventions (1.44); what these do not name begins with `app.`.
Texts in braces are filled per request: {user} {product} {order} {quantity} {query} {page}.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runners.ledger.items import Value

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
DEBUG, INFO, WARN, ERROR = (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")


class Service(NamedTuple):
    name: str
    version: str
    language: str


class Line(NamedTuple):
    """One log record of an operation: at what share of its duration, how severe, what it says."""

    at: float
    severity: tuple[int, str]
    body: str


@dataclass(frozen=True)
class Operation:
    """One call. self_us: median of its own time in microseconds, without its children, which follow one another."""

    service: str
    name: str
    kind: int
    self_us: int
    attributes: dict[str, Value] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    children: tuple[Operation, ...] = ()
    failure: tuple[str, str] | None = None

    def walk(self, parent: int = -1, numbers: Iterator[int] | None = None) -> Iterator[tuple[int, int, Operation]]:
        """(number, parent's number, operation), depth first; the root is 0 and its parent -1."""
        numbers = iter(range(1 << 16)) if numbers is None else numbers
        number = next(numbers)
        yield number, parent, self
        for child in self.children:
            yield from child.walk(number, numbers)


@dataclass(frozen=True)
class Route:
    """A kind of user request: how frequent, and the tree of calls that answers it."""

    weight: int
    root: Operation


SERVICES = (
    Service("gateway", "2.14.0", "go"),
    Service("catalog", "5.3.1", "java"),
    Service("cart", "3.0.7", "dotnet"),
    Service("checkout", "4.8.2", "go"),
    Service("payment", "1.19.4", "nodejs"),
    Service("shipping", "0.9.12", "rust"),
    Service("accounts", "2.2.0", "python"),
    Service("recommendation", "1.7.3", "python"),
)


def _gateway(method: str, route: str, path: str, *children: Operation) -> Operation:
    return Operation(
        "gateway", f"{method} {route}", SERVER, 900,
        {
            "http.request.method": method, "http.route": route, "url.path": path, "url.scheme": "https",
            "server.address": "shop.example.com", "server.port": 443, "client.address": "{client}",
            "user_agent.original": "{agent}", "network.protocol.version": "2", "user.id": "{user}",
        },
        (Line(0.97, INFO, f'{{client}} "{method} {path} HTTP/2" user={{user}}'),),
        children,
    )  # fmt: skip


def _call(caller: str, callee: str, method: str, route: str, path: str, *children: Operation, self_us: int,
          lines: tuple[Line, ...], failure: tuple[str, str] | None = None) -> Operation:  # fmt: skip
    """An HTTP call between two services: the client's span and, in it, the server's."""
    plain, _, query = path.partition("?")
    search: dict[str, Value] = {"url.query": query} if query else {}
    server = Operation(
        callee, f"{method} {route}", SERVER, self_us,
        {
            "http.request.method": method, "http.route": route, "url.path": plain, "url.scheme": "http", **search,
            "server.address": f"{callee}.shop.svc", "server.port": 8080, "client.address": f"{caller}.shop.svc",
            "network.protocol.version": "1.1", "user.id": "{user}",
        },
        lines, children, failure,
    )  # fmt: skip
    return Operation(
        caller, method, CLIENT, 350,
        {
            "http.request.method": method, "url.full": f"http://{callee}.shop.svc:8080{path}",
            "server.address": f"{callee}.shop.svc", "server.port": 8080, "network.protocol.version": "1.1",
        },
        (Line(0.02, DEBUG, f"calling {callee} {method} {path}"),),
        (server,),
    )  # fmt: skip


def _sql(service: str, verb: str, table: str, text: str, self_us: int) -> Operation:
    return Operation(
        service, f"{verb} {table}", CLIENT, self_us,
        {
            "db.system.name": "postgresql", "db.namespace": service, "db.operation.name": verb,
            "db.collection.name": table, "db.query.text": text, "server.address": f"{service}-db.shop.svc",
            "server.port": 5432,
        },
        (Line(0.99, DEBUG, f"statement {verb} {table} for user {{user}} done"),),
        failure=("OperationalError", "canceling statement due to statement timeout"),
    )  # fmt: skip


def _redis(service: str, verb: str, key: str) -> Operation:
    return Operation(
        service, verb, CLIENT, 220,
        {
            "db.system.name": "redis", "db.namespace": "0", "db.operation.name": verb, "db.query.text": f"{verb} {key}",
            "server.address": "redis.shop.svc", "server.port": 6379,
        },
        (Line(0.9, DEBUG, f"cache {verb} {key}"),),
        failure=("ConnectionError", "Error 104 while reading from redis.shop.svc:6379. Connection reset by peer."),
    )  # fmt: skip


def _publish(service: str, topic: str) -> Operation:
    return Operation(
        service, f"send {topic}", PRODUCER, 600,
        {
            "messaging.system": "kafka", "messaging.destination.name": topic, "messaging.operation.type": "send",
            "messaging.operation.name": "send", "messaging.message.id": "{order}", "server.address": "kafka.shop.svc",
            "server.port": 9092,
        },
        (Line(0.9, INFO, f"published to {topic} key={{order}}"),),
        failure=("KafkaTimeoutError", "Batch containing 1 record(s) expired due to timeout"),
    )  # fmt: skip


_PRODUCT = _call(
    "gateway", "catalog", "GET", "/products/{id}", "/products/{product}",
    _redis("catalog", "GET", "product:{product}"),
    _sql("catalog", "SELECT", "products", "SELECT * FROM products WHERE id = $1", 1900), self_us=2600,
    lines=(
        Line(0.05, DEBUG, "lookup product {product}"),
        Line(0.95, INFO, "served product {product} to {user}"),
    ),
    failure=("NullPointerException", 'Cannot invoke "Price.amount()" because the return value is null'),
)  # fmt: skip
_RECOMMEND = _call(
    "gateway", "recommendation", "GET", "/recommendations", "/recommendations?user={user}",
    _redis("recommendation", "GET", "profile:{user}"), self_us=7800,
    lines=(Line(0.9, INFO, "ranked {quantity} candidates for {user}"),),
    failure=("TimeoutError", "model server did not answer within 250 ms"),
)  # fmt: skip
_CHARGE = _call(
    "checkout", "payment", "POST", "/charges", "/charges",
    _sql("payment", "INSERT", "charges", "INSERT INTO charges (order_id, amount) VALUES ($1, $2)", 3100), self_us=24000,
    lines=(
        Line(0.1, INFO, "authorizing order {order} with acquirer"),
        Line(0.95, INFO, "charge of order {order} settled"),
    ),
    failure=("AcquirerUnavailable", "acquirer answered 96 system malfunction"),
)  # fmt: skip
_SHIP = _call(
    "checkout", "shipping", "POST", "/shipments", "/shipments", self_us=5200,
    lines=(Line(0.9, INFO, "shipment for {order} booked, {quantity} parcels"),),
    failure=("QuoteError", "no carrier serves the postal code"),
)  # fmt: skip

ROUTES = (
    Route(34, _gateway("GET", "/api/products/{id}", "/api/products/{product}", _PRODUCT, _RECOMMEND)),
    Route(26, _gateway(
        "GET", "/api/products", "/api/products",
        _call("gateway", "catalog", "GET", "/products", "/products?q={query}&page={page}",
              _sql("catalog", "SELECT", "products", "SELECT id, name FROM products WHERE name ILIKE $1 LIMIT 24", 6400), self_us=4800,
              lines=(Line(0.9, INFO, "search '{query}' page {page}: 24 hits"),),
              failure=("QueryTimeout", "search exceeded 2000 ms")),
    )),
    Route(20, _gateway(
        "POST", "/api/cart/items", "/api/cart/items",
        _call("gateway", "cart", "POST", "/items", "/items",
              _redis("cart", "HSET", "cart:{user}"), self_us=1800,
              lines=(Line(0.8, INFO, "cart of {user}: added {quantity} of product {product}"),),
              failure=("StockUnavailable", "no quorum for the stock of product {product}")),
    )),
    Route(12, _gateway(
        "POST", "/api/login", "/api/login",
        _call("gateway", "accounts", "POST", "/sessions", "/sessions",
              _sql("accounts", "SELECT", "users", "SELECT id, hash FROM users WHERE name = $1", 1400),
              _redis("accounts", "SETEX", "session:{user}"), self_us=41000,
              lines=(Line(0.9, INFO, "user {user} signed in"),),
              failure=("PoolExhausted", "no worker is free to verify a password")),
    )),
    Route(8, _gateway(
        "POST", "/api/checkout", "/api/checkout",
        _call("gateway", "checkout", "POST", "/orders", "/orders",
              _call("checkout", "cart", "GET", "/carts/{user}", "/carts/{user}",
                    _redis("cart", "HGETALL", "cart:{user}"), self_us=1500,
                    lines=(Line(0.9, INFO, "cart of {user} has {quantity} items"),)),
              _CHARGE, _SHIP,
              _sql("checkout", "INSERT", "orders", "INSERT INTO orders (id, user_id) VALUES ($1, $2)", 2700),
              _publish("checkout", "orders"), self_us=6100,
              lines=(
                  Line(0.02, INFO, "order {order} of {user} received, {quantity} items"),
                  Line(0.98, INFO, "order {order} placed"),
              ),
              failure=("FraudCheckFailed", "no verdict for order {order} within 500 ms")),
    )),
)  # fmt: skip
