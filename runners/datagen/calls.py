"""The calls that services make: over HTTP, to databases and caches, through a queue; with the attributes of each.

Attribute names are those of the OpenTelemetry semantic conventions (1.44); what these do not name begins with `app.`.
Texts in braces are filled per request: see `model.fields`.
"""

from __future__ import annotations

from runners.datagen.topology import CLIENT, CONSUMER, DEBUG, INFO, PRODUCER, SERVER, Line, Operation, Retry
from runners.ledger.items import Value

NAMESPACE = "shop.svc"


def gateway(method: str, route: str, path: str, *children: Operation | tuple[Operation, ...]) -> Operation:
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


def call(
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
            "server.address": f"{callee}.{NAMESPACE}", "server.port": 8080, "client.address": f"{caller}.{NAMESPACE}",
            "network.protocol.version": "1.1", "user.id": "{user}",
        },
        lines, children, failure,
    )  # fmt: skip
    return Operation(
        caller, method, CLIENT, 350,
        {
            "http.request.method": method, "url.full": f"http://{callee}.{NAMESPACE}:8080{path}",
            "server.address": f"{callee}.{NAMESPACE}", "server.port": 8080, "network.protocol.version": "1.1",
        },
        (Line(0.02, DEBUG, f"calling {callee} {method} {path}"),),
        (server,),
        retry=retry,
    )  # fmt: skip


def sql(service: str, verb: str, table: str, text: str, self_us: int) -> Operation:
    return Operation(
        service, f"{verb} {table}", CLIENT, self_us,
        {
            "db.system.name": "postgresql", "db.namespace": service, "db.operation.name": verb,
            "db.collection.name": table, "db.query.text": text, "db.query.summary": f"{verb} {table}",
            "server.address": f"{service}-db.{NAMESPACE}", "server.port": 5432,
        },
        (Line(0.99, DEBUG, f"statement {verb} {table} for user {{user}} done"),),
        failure=("OperationalError", "canceling statement due to statement timeout"),
    )  # fmt: skip


def redis(service: str, verb: str, key: str) -> Operation:
    return Operation(
        service, verb, CLIENT, 220,
        {
            "db.system.name": "redis", "db.namespace": "0", "db.operation.name": verb, "db.query.text": f"{verb} {key}",
            "server.address": f"redis.{NAMESPACE}", "server.port": 6379,
        },
        (Line(0.9, DEBUG, f"cache {verb} {key}"),),
        failure=("ConnectionError", f"Error 104 while reading from redis.{NAMESPACE}:6379. Connection reset by peer."),
    )  # fmt: skip


def _messaging(topic: str, operation: str, type_: str) -> dict[str, Value]:
    return {
        "messaging.system": "kafka", "messaging.destination.name": topic, "messaging.operation.type": type_,
        "messaging.operation.name": operation, "messaging.message.id": "{order}",
        "server.address": f"kafka.{NAMESPACE}", "server.port": 9092,
    }  # fmt: skip


def publish(service: str, topic: str, *later: Operation) -> Operation:
    return Operation(
        service, f"send {topic}", PRODUCER, 600, _messaging(topic, "send", "send"),
        (Line(0.9, INFO, f"published to {topic} key={{order}}"),),
        failure=("KafkaTimeoutError", "Batch containing 1 record(s) expired due to timeout"), later=later,
    )  # fmt: skip


def consume(service: str, topic: str, group: str, self_us: int, lines: tuple[Line, ...], *children: Operation,
             failure: tuple[str, str]) -> Operation:  # fmt: skip
    attributes = _messaging(topic, "process", "process") | {"messaging.consumer.group.name": group}
    return Operation(service, f"process {topic}", CONSUMER, self_us, attributes, lines, children, failure)
