"""The simulated system: services of a web shop, their operations, and the trees of calls that user requests make.

Attribute names are those of the OpenTelemetry semantic conventions (1.44); what these do not name begins with `app.`.
Texts in braces are filled per request: see `model.fields`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runners.ledger.items import Value

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 1, 2, 3, 4, 5
DEBUG, INFO, WARN, ERROR = (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")


class Service(NamedTuple):
    """next_version: what the last of several instances runs already: a canary."""

    name: str
    version: str
    next_version: str
    language: str


class Line(NamedTuple):
    """One log record of an operation: at what share of its duration, how severe, what it says."""

    at: float
    severity: tuple[int, str]
    body: str


class Retry(NamedTuple):
    """How a first attempt may fail before a second one ends well: error.type, message, after how many microseconds."""

    error: str
    message: str
    after_us: int


@dataclass(frozen=True, eq=False)
class Operation:
    """One call. self_us: median of its own time in microseconds, without its children.

    children: one after the other; those that stand together in a tuple run at the same time. later: what takes place
    asynchronously, in traces of their own that link to this span. retry: how a first attempt may fail.
    """

    service: str
    name: str
    kind: int
    self_us: int
    attributes: dict[str, Value] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()
    children: tuple[Operation | tuple[Operation, ...], ...] = ()
    failure: tuple[str, str] | None = None
    later: tuple[Operation, ...] = ()
    retry: Retry | None = None

    @property
    def stages(self) -> tuple[tuple[Operation, ...], ...]:
        """The children by the time at which they begin."""
        return tuple(child if isinstance(child, tuple) else (child,) for child in self.children)

    def walk(self) -> Iterator[Operation]:
        """Itself and all it calls, depth first; not what comes later."""
        yield self
        for stage in self.stages:
            for child in stage:
                yield from child.walk()


@dataclass(frozen=True, eq=False)
class Route:
    """A kind of user request: how frequent, and the tree of calls that answers it."""

    weight: int
    root: Operation


SERVICES = (
    Service("gateway", "2.14.0", "2.15.0", "go"),
    Service("storefront", "11.2.0", "11.3.0", "nodejs"),
    Service("catalog", "5.3.1", "5.4.0", "java"),
    Service("search", "3.9.4", "3.9.5", "java"),
    Service("recommendation", "1.7.3", "1.8.0", "python"),
    Service("inventory", "6.1.0", "6.1.1", "go"),
    Service("cart", "3.0.7", "3.1.0", "dotnet"),
    Service("checkout", "4.8.2", "4.9.0", "go"),
    Service("payment", "1.19.4", "1.20.0", "nodejs"),
    Service("shipping", "0.9.12", "0.9.13", "rust"),
    Service("accounts", "2.2.0", "2.3.0", "python"),
    Service("notifications", "1.4.1", "1.4.2", "python"),
)
_NAMESPACE = "shop.svc"


def _gateway(method: str, route: str, path: str, *children: Operation | tuple[Operation, ...]) -> Operation:
    return Operation(
        "gateway", f"{method} {route}", SERVER, 900,
        {
            "http.request.method": method, "http.route": route, "url.path": path, "url.scheme": "https",
            "server.address": "shop.example.com", "server.port": 443, "client.address": "{client}",
            "user_agent.original": "{agent}", "network.protocol.version": "2", "user.id": "{user}",
        },
        (Line(0.97, INFO, f'{{client}} "{method} {path} HTTP/2" user={{user}} agent="{{agent}}"'),),
        children,
    )  # fmt: skip


def _call(
    caller: str, callee: str, method: str, route: str, path: str, *children: Operation | tuple[Operation, ...],
    self_us: int, lines: tuple[Line, ...], failure: tuple[str, str] | None = None, retry: Retry | None = None,
) -> Operation:  # fmt: skip
    """An HTTP call between two services: the client's span and, in it, the server's."""
    plain, _, query = path.partition("?")
    search: dict[str, Value] = {"url.query": query} if query else {}
    server = Operation(
        callee, f"{method} {route}", SERVER, self_us,
        {
            "http.request.method": method, "http.route": route, "url.path": plain, "url.scheme": "http", **search,
            "server.address": f"{callee}.{_NAMESPACE}", "server.port": 8080, "client.address": f"{caller}.{_NAMESPACE}",
            "network.protocol.version": "1.1", "user.id": "{user}",
        },
        lines, children, failure,
    )  # fmt: skip
    return Operation(
        caller, method, CLIENT, 350,
        {
            "http.request.method": method, "url.full": f"http://{callee}.{_NAMESPACE}:8080{path}",
            "server.address": f"{callee}.{_NAMESPACE}", "server.port": 8080, "network.protocol.version": "1.1",
        },
        (Line(0.02, DEBUG, f"calling {callee} {method} {path}"),),
        (server,),
        retry=retry,
    )  # fmt: skip


def _sql(service: str, verb: str, table: str, text: str, self_us: int) -> Operation:
    return Operation(
        service, f"{verb} {table}", CLIENT, self_us,
        {
            "db.system.name": "postgresql", "db.namespace": service, "db.operation.name": verb,
            "db.collection.name": table, "db.query.text": text, "db.query.summary": f"{verb} {table}",
            "server.address": f"{service}-db.{_NAMESPACE}", "server.port": 5432,
        },
        (Line(0.99, DEBUG, f"statement {verb} {table} for user {{user}} done"),),
        failure=("OperationalError", "canceling statement due to statement timeout"),
    )  # fmt: skip


def _redis(service: str, verb: str, key: str) -> Operation:
    return Operation(
        service, verb, CLIENT, 220,
        {
            "db.system.name": "redis", "db.namespace": "0", "db.operation.name": verb, "db.query.text": f"{verb} {key}",
            "server.address": f"redis.{_NAMESPACE}", "server.port": 6379,
        },
        (Line(0.9, DEBUG, f"cache {verb} {key}"),),
        failure=("ConnectionError", f"Error 104 while reading from redis.{_NAMESPACE}:6379. Connection reset by peer."),
    )  # fmt: skip


def _messaging(topic: str, operation: str, type_: str) -> dict[str, Value]:
    return {
        "messaging.system": "kafka", "messaging.destination.name": topic, "messaging.operation.type": type_,
        "messaging.operation.name": operation, "messaging.message.id": "{order}",
        "server.address": f"kafka.{_NAMESPACE}", "server.port": 9092,
    }  # fmt: skip


def _publish(service: str, topic: str, *later: Operation) -> Operation:
    return Operation(
        service, f"send {topic}", PRODUCER, 600, _messaging(topic, "send", "send"),
        (Line(0.9, INFO, f"published to {topic} key={{order}}"),),
        failure=("KafkaTimeoutError", "Batch containing 1 record(s) expired due to timeout"), later=later,
    )  # fmt: skip


def _consume(service: str, topic: str, group: str, self_us: int, lines: tuple[Line, ...], *children: Operation,
             failure: tuple[str, str]) -> Operation:  # fmt: skip
    attributes = _messaging(topic, "process", "process") | {"messaging.consumer.group.name": group}
    return Operation(service, f"process {topic}", CONSUMER, self_us, attributes, lines, children, failure)


_ACQUIRER = Operation(
    "payment", "POST", CLIENT, 96_000,
    {
        "http.request.method": "POST", "url.full": "https://api.acquirer.example/v2/authorizations",
        "server.address": "api.acquirer.example", "server.port": 443, "network.protocol.version": "2",
        "app.acquirer.reference": "{order}",
    },
    (Line(0.01, DEBUG, "POST https://api.acquirer.example/v2/authorizations reference={order}"),),
    failure=("504", "upstream request timeout"),
    retry=Retry("timeout", "no answer within 1000 ms", 1_000_000),
)  # fmt: skip
_MAIL = Operation(
    "notifications", "POST", CLIENT, 61_000,
    {
        "http.request.method": "POST", "url.full": "https://mail.provider.example/v3/send",
        "server.address": "mail.provider.example", "server.port": 443, "network.protocol.version": "2",
    },
    (Line(0.95, INFO, "mail about order {order} handed over for {email}"),),
    failure=("429", "too many requests, retry after 30 s"),
)  # fmt: skip


def _product(caller: str) -> Operation:
    return _call(
        caller, "catalog", "GET", "/products/{id}", "/products/{product}",
        _redis("catalog", "GET", "product:{product}"),
        _sql("catalog", "SELECT", "products", "SELECT * FROM products WHERE id = $1", 1900), self_us=2600,
        lines=(
            Line(0.05, DEBUG, "lookup product {product}"),
            Line(0.95, INFO, "served product {product} to {user}"),
        ),
        failure=("NullPointerException", 'Cannot invoke "Price.amount()" because the return value is null'),
        retry=Retry("connection_reset", "connection reset by peer", 30_000),
    )  # fmt: skip


def _recommend(caller: str) -> Operation:
    return _call(
        caller, "recommendation", "GET", "/recommendations", "/recommendations?user={user}",
        _redis("recommendation", "GET", "profile:{user}"), self_us=7800,
        lines=(Line(0.9, INFO, "ranked {quantity}0 candidates for {user}"),),
        failure=("TimeoutError", "model server did not answer within 250 ms"),
    )  # fmt: skip


def _stock(caller: str) -> Operation:
    return _call(
        caller, "inventory", "GET", "/stock/{sku}", "/stock/{product}",
        _redis("inventory", "HGET", "stock:{product}"), self_us=900,
        lines=(Line(0.9, DEBUG, "stock of {product}: {quantity} in reach"),),
        failure=("Unavailable", "shard of {product} is moving"),
    )  # fmt: skip


_CHARGE = _call(
    "checkout", "payment", "POST", "/charges", "/charges",
    _ACQUIRER, _sql("payment", "INSERT", "charges", "INSERT INTO charges (order_id, amount) VALUES ($1, $2)", 3100),
    self_us=4200,
    lines=(
        Line(0.1, INFO, "authorizing order {order} with acquirer, card {card}"),
        Line(0.95, INFO, "charge of order {order} settled"),
    ),
    failure=("AcquirerUnavailable", "acquirer answered 96 system malfunction"),
)  # fmt: skip
_RESERVE = _call(
    "checkout", "inventory", "POST", "/reservations", "/reservations",
    _sql("inventory", "UPDATE", "stock", "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1", 2300), self_us=1700,
    lines=(Line(0.8, INFO, "reserved {quantity} of {product} for order {order}"),),
    failure=("OutOfStock", "only 0 of {product} left"),
    retry=Retry("SerializationFailure", "could not serialize access due to concurrent update", 15_000),
)  # fmt: skip
_SHIP = _consume(
    "shipping", "orders", "shipping", 5200,
    (
        Line(0.05, DEBUG, "order {order} taken from partition {quantity}"),
        Line(0.9, INFO, "shipment for {order} booked, {quantity} parcels"),
    ),
    _sql("shipping", "INSERT", "shipments", "INSERT INTO shipments (order_id, parcels) VALUES ($1, $2)", 2600),
    failure=("QuoteError", "no carrier serves the postal code"),
)  # fmt: skip
_NOTIFY = _consume(
    "notifications", "orders", "notifications", 1400,
    (Line(0.1, INFO, "confirmation of order {order} due to {user}"),),
    _MAIL, failure=("TemplateError", "placeholder total is not set for order {order}"),
)  # fmt: skip

ROUTES = (
    Route(30, _gateway(
        "GET", "/api/products/{id}", "/api/products/{product}",
        (_product("gateway"), _stock("gateway"), _recommend("gateway")),
    )),
    Route(22, _gateway(
        "GET", "/api/products", "/api/products",
        _call("gateway", "search", "GET", "/search", "/search?q={query}&page={page}",
              Operation(
                  "search", "search products", CLIENT, 6400,
                  {
                      "db.system.name": "opensearch", "db.operation.name": "search", "db.collection.name": "products",
                      "db.query.text": "GET products/_search match name ? from ? size 24",
                      "server.address": f"opensearch.{_NAMESPACE}", "server.port": 9200,
                  },
                  (Line(0.95, DEBUG, "query of '{query}' took its 24 hits from {quantity} shards"),),
                  failure=("SearchPhaseExecutionException", "all shards failed"),
              ),
              self_us=4800,
              lines=(Line(0.9, INFO, "search '{query}' page {page}: 24 hits"),),
              failure=("QueryTimeout", "search exceeded 2000 ms")),
    )),
    Route(16, _gateway(
        "GET", "/", "/",
        _call("gateway", "storefront", "GET", "/", "/",
              (_product("storefront"), _recommend("storefront")), self_us=9200,
              lines=(Line(0.98, INFO, "rendered / for {user}"),),
              failure=("TypeError", "Cannot read properties of undefined (reading 'items')")),
    )),
    Route(14, _gateway(
        "POST", "/api/cart/items", "/api/cart/items",
        _call("gateway", "cart", "POST", "/items", "/items",
              _stock("cart"), _redis("cart", "HSET", "cart:{user}"), self_us=1800,
              lines=(Line(0.8, INFO, "cart of {user}: added {quantity} of product {product}"),),
              failure=("StockUnavailable", "no quorum for the stock of product {product}")),
    )),
    Route(10, _gateway(
        "POST", "/api/login", "/api/login",
        _call("gateway", "accounts", "POST", "/sessions", "/sessions",
              _sql("accounts", "SELECT", "users", "SELECT id, hash FROM users WHERE name = $1", 1400),
              _redis("accounts", "SETEX", "session:{user}"), self_us=41000,
              lines=(Line(0.9, INFO, "user {user} <{email}> signed in from {client}"),),
              failure=("PoolExhausted", "no worker is free to verify a password")),
    )),
    Route(8, _gateway(
        "POST", "/api/checkout", "/api/checkout",
        _call("gateway", "checkout", "POST", "/orders", "/orders",
              _call("checkout", "cart", "GET", "/carts/{user}", "/carts/{user}",
                    _redis("cart", "HGETALL", "cart:{user}"), self_us=1500,
                    lines=(Line(0.9, INFO, "cart of {user} has {quantity} items"),)),
              (_RESERVE, _CHARGE),
              _sql("checkout", "INSERT", "orders", "INSERT INTO orders (id, user_id) VALUES ($1, $2)", 2700),
              _publish("checkout", "orders", _SHIP, _NOTIFY), self_us=6100,
              lines=(
                  Line(0.02, INFO, "order {order} of {user} received, {quantity} items"),
                  Line(0.98, INFO, "order {order} placed"),
              ),
              failure=("FraudCheckFailed", "no verdict for order {order} within 500 ms")),
    )),
)  # fmt: skip
