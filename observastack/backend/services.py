"""What the routes work with; made at start-up, closed at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fastapi import Request
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from observastack.backend.admin.service import Administration
from observastack.backend.admin.settings import SettingsAdministration
from observastack.backend.admin.tenants import TenantAdministration
from observastack.backend.admin.users import UserAdministration
from observastack.backend.admin.volume import Volume
from observastack.backend.alerts.actions import Actions
from observastack.backend.alerts.alertmanager import Alertmanager
from observastack.backend.alerts.clock import Clock
from observastack.backend.alerts.intake import Intake
from observastack.backend.alerts.listing import Listing
from observastack.backend.alerts.silences import Silences
from observastack.backend.audit import Audit
from observastack.backend.auth.accounts import Accounts
from observastack.backend.auth.passwords import Passwords
from observastack.backend.auth.sessions import Sessions
from observastack.backend.auth.tokens import Tokens
from observastack.backend.cache import Cache
from observastack.backend.database import Database
from observastack.backend.denylist import Denylist
from observastack.backend.health import Health
from observastack.backend.idempotency import Idempotency
from observastack.backend.insights.service import Insights
from observastack.backend.limits import Limiter
from observastack.backend.live.feed import Feed
from observastack.backend.live.forgetting import Forgetting
from observastack.backend.live.hub import Hub
from observastack.backend.live.pages import Pages
from observastack.backend.live.room import Room
from observastack.backend.metrics import Metrics
from observastack.backend.search.aggregate import Aggregation
from observastack.backend.search.correlate import Correlator
from observastack.backend.search.engine import Search
from observastack.backend.search.export import Export
from observastack.backend.search.history import History
from observastack.backend.search.stream import Stream
from observastack.backend.sources import Sources
from observastack.backend.stores.choice import choose
from observastack.backend.stores.ports import Stores
from observastack.backend.telemetry import Telemetry
from observastack.backend.tenants import Tenants
from observastack.backend.test_data import TestData
from observastack.backend.traces import Traces
from observastack.config import Config


@dataclass(frozen=True)
class Services:
    config: Config
    database: Database
    redis: Redis
    tokens: Tokens
    passwords: Passwords
    denylist: Denylist
    sessions: Sessions
    tenants: Tenants
    audit: Audit
    idempotency: Idempotency
    health: Health
    telemetry: Telemetry
    sources: Sources
    stores: Stores
    search: Search
    export: Export
    stream: Stream
    aggregation: Aggregation
    correlator: Correlator
    history: History
    insights: Insights
    metrics: Metrics
    traces: Traces
    test_data: TestData
    admin: Administration
    accounts: Accounts
    limiter: Limiter
    cache: Cache
    started: float
    alerts: Listing
    alert_actions: Actions
    silences: Silences
    intake: Intake
    clock: Clock
    live: Hub
    alertmanager: Alertmanager | None

    async def open(self) -> None:
        await self.database.open()
        self.clock.start()
        self.live.start()

    async def close(self) -> None:
        await self.live.close()
        await self.clock.close()
        if self.alertmanager is not None:
            await self.alertmanager.close()
        self.passwords.close()
        await self.history.close()
        await self.health.close()
        await self.redis.aclose()
        await self.stores.close()
        await self.database.close()


def build(config: Config) -> Services:
    """Nothing is connected yet. Raises ConfigError when a key or password file is missing."""
    database = Database(config)
    redis = _redis(config)
    tokens, passwords, denylist = Tokens(config.auth), Passwords(), Denylist(redis)
    sources, stores, telemetry = Sources(config.stores.timeout_s), choose(config, database), Telemetry()
    tenants, audit, cache = Tenants(database), Audit(database), Cache(redis)
    sessions = Sessions(config.auth, database, denylist, tokens=tokens, passwords=passwords, tenants=tenants)
    alertmanager = None if config.alertmanager_url is None else Alertmanager(database, config.alertmanager_url)
    clock = Clock(database, tenants, [Forgetting(database)], [] if alertmanager is None else [alertmanager])
    accounts, search = Accounts(database), Search(stores, sources)
    return Services(
        config=config,
        database=database,
        redis=redis,
        tokens=tokens,
        passwords=passwords,
        denylist=denylist,
        sessions=sessions,
        tenants=tenants,
        audit=audit,
        idempotency=Idempotency(redis),
        health=Health(database, redis, stores, tokens.remote),
        telemetry=telemetry,
        sources=sources,
        stores=stores,
        search=search,
        export=Export(stores, sources),
        stream=Stream(search),
        aggregation=Aggregation(stores, sources, search, cache, tenants),
        correlator=Correlator(stores, sources, search, tenants),
        history=History(database),
        insights=Insights(stores, sources, cache=cache, alerts=Listing(database), prices=config.prices),
        metrics=Metrics(stores.metrics, sources),
        traces=Traces(stores, sources, tenants),
        test_data=TestData(config, database),
        admin=Administration(
            TenantAdministration(database, audit, tenants, Volume(database, stores, sources, cache)),
            UserAdministration(
                database, audit, tenants, sessions=sessions, passwords=passwords, method=config.auth.method
            ),
            SettingsAdministration(config, database, audit, tenants),
        ),
        accounts=accounts,
        limiter=Limiter(redis, telemetry),
        cache=cache,
        started=time.monotonic(),
        alerts=Listing(database),
        alert_actions=Actions(database, audit),
        silences=Silences(database, audit, tenants, clock.changed),
        intake=Intake(database, audit),
        clock=clock,
        alertmanager=alertmanager,
        live=Hub(Feed(database), Pages(stores, sources), denylist, tenants, room=Room(config.limits)),
    )


def services(request: Request) -> Services:
    """The dependency by which routes get at them."""
    found: Services = request.app.state.services
    return found


def _redis(config: Config) -> Redis:
    pool = BlockingConnectionPool(
        max_connections=20,
        timeout=1,
        host=config.redis.host,
        port=config.redis.port,
        password=config.redis.password(),
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        # One retry at once: after a restart of Redis the pooled connections are dead, the server is not.
        retry=Retry(NoBackoff(), 1),
    )
    return Redis(connection_pool=pool)
