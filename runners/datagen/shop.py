"""The simulated system: a web shop, its services, and the kinds of requests that its users make."""

from __future__ import annotations

from runners.datagen.calls import NAMESPACE, call, consume, gateway, publish, redis, sql
from runners.datagen.topology import CLIENT, DEBUG, INFO, Line, Operation, Retry, Route, Service

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
    return call(
        caller, "catalog", "GET", "/products/{id}", "/products/{product}",
        redis("catalog", "GET", "product:{product}"),
        sql("catalog", "SELECT", "products", "SELECT * FROM products WHERE id = $1", 1900), self_us=2600,
        lines=(
            Line(0.05, DEBUG, "lookup product {product}"),
            Line(0.95, INFO, "served product {product} to {user}"),
        ),
        failure=("NullPointerException", 'Cannot invoke "Price.amount()" because the return value is null'),
        retry=Retry("connection_reset", "connection reset by peer", 30_000),
    )  # fmt: skip


def _recommend(caller: str) -> Operation:
    return call(
        caller, "recommendation", "GET", "/recommendations", "/recommendations?user={user}",
        redis("recommendation", "GET", "profile:{user}"), self_us=7800,
        lines=(Line(0.9, INFO, "ranked {quantity}0 candidates for {user}"),),
        failure=("TimeoutError", "model server did not answer within 250 ms"),
    )  # fmt: skip


def _stock(caller: str) -> Operation:
    return call(
        caller, "inventory", "GET", "/stock/{sku}", "/stock/{product}",
        redis("inventory", "HGET", "stock:{product}"), self_us=900,
        lines=(Line(0.9, DEBUG, "stock of {product}: {quantity} in reach"),),
        failure=("Unavailable", "shard of {product} is moving"),
    )  # fmt: skip


_CHARGE = call(
    "checkout", "payment", "POST", "/charges", "/charges",
    _ACQUIRER, sql("payment", "INSERT", "charges", "INSERT INTO charges (order_id, amount) VALUES ($1, $2)", 3100),
    self_us=4200,
    lines=(
        Line(0.1, INFO, "authorizing order {order} with acquirer, card {card}"),
        Line(0.95, INFO, "charge of order {order} settled"),
    ),
    failure=("AcquirerUnavailable", "acquirer answered 96 system malfunction"),
)  # fmt: skip
_RESERVE = call(
    "checkout", "inventory", "POST", "/reservations", "/reservations",
    sql("inventory", "UPDATE", "stock", "UPDATE stock SET reserved = reserved + $2 WHERE sku = $1", 2300), self_us=1700,
    lines=(Line(0.8, INFO, "reserved {quantity} of {product} for order {order}"),),
    failure=("OutOfStock", "only 0 of {product} left"),
    retry=Retry("SerializationFailure", "could not serialize access due to concurrent update", 15_000),
)  # fmt: skip
_SHIP = consume(
    "shipping", "orders", "shipping", 5200,
    (
        Line(0.05, DEBUG, "order {order} taken from partition {quantity}"),
        Line(0.9, INFO, "shipment for {order} booked, {quantity} parcels"),
    ),
    sql("shipping", "INSERT", "shipments", "INSERT INTO shipments (order_id, parcels) VALUES ($1, $2)", 2600),
    failure=("QuoteError", "no carrier serves the postal code"),
)  # fmt: skip
_NOTIFY = consume(
    "notifications", "orders", "notifications", 1400,
    (Line(0.1, INFO, "confirmation of order {order} due to {user}"),),
    _MAIL, failure=("TemplateError", "placeholder total is not set for order {order}"),
)  # fmt: skip

ROUTES = (
    Route(30, gateway(
        "GET", "/api/products/{id}", "/api/products/{product}",
        (_product("gateway"), _stock("gateway"), _recommend("gateway")),
    )),
    Route(22, gateway(
        "GET", "/api/products", "/api/products",
        call("gateway", "search", "GET", "/search", "/search?q={query}&page={page}",
              Operation(
                  "search", "search products", CLIENT, 6400,
                  {
                      "db.system.name": "opensearch", "db.operation.name": "search", "db.collection.name": "products",
                      "db.query.text": "GET products/_search match name ? from ? size 24",
                      "server.address": f"opensearch.{NAMESPACE}", "server.port": 9200,
                  },
                  (Line(0.95, DEBUG, "query of '{query}' took its 24 hits from {quantity} shards"),),
                  failure=("SearchPhaseExecutionException", "all shards failed"),
              ),
              self_us=4800,
              lines=(Line(0.9, INFO, "search '{query}' page {page}: 24 hits"),),
              failure=("QueryTimeout", "search exceeded 2000 ms")),
    )),
    Route(16, gateway(
        "GET", "/", "/",
        call("gateway", "storefront", "GET", "/", "/",
              (_product("storefront"), _recommend("storefront")), self_us=9200,
              lines=(Line(0.98, INFO, "rendered / for {user}"),),
              failure=("TypeError", "Cannot read properties of undefined (reading 'items')")),
    )),
    Route(14, gateway(
        "POST", "/api/cart/items", "/api/cart/items",
        call("gateway", "cart", "POST", "/items", "/items",
              _stock("cart"), redis("cart", "HSET", "cart:{user}"), self_us=1800,
              lines=(Line(0.8, INFO, "cart of {user}: added {quantity} of product {product}"),),
              failure=("StockUnavailable", "no quorum for the stock of product {product}")),
    )),
    Route(10, gateway(
        "POST", "/api/login", "/api/login",
        call("gateway", "accounts", "POST", "/sessions", "/sessions",
              sql("accounts", "SELECT", "users", "SELECT id, hash FROM users WHERE name = $1", 1400),
              redis("accounts", "SETEX", "session:{user}"), self_us=41000,
              lines=(Line(0.9, INFO, "user {user} <{email}> signed in from {client}"),),
              failure=("PoolExhausted", "no worker is free to verify a password")),
    )),
    Route(8, gateway(
        "POST", "/api/checkout", "/api/checkout",
        call("gateway", "checkout", "POST", "/orders", "/orders",
              call("checkout", "cart", "GET", "/carts/{user}", "/carts/{user}",
                    redis("cart", "HGETALL", "cart:{user}"), self_us=1500,
                    lines=(Line(0.9, INFO, "cart of {user} has {quantity} items"),)),
              (_RESERVE, _CHARGE),
              sql("checkout", "INSERT", "orders", "INSERT INTO orders (id, user_id) VALUES ($1, $2)", 2700),
              publish("checkout", "orders", _SHIP, _NOTIFY), self_us=6100,
              lines=(
                  Line(0.02, INFO, "order {order} of {user} received, {quantity} items"),
                  Line(0.98, INFO, "order {order} placed"),
              ),
              failure=("FraudCheckFailed", "no verdict for order {order} within 500 ms")),
    )),
)  # fmt: skip
