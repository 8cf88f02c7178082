-- Embedded signal store and account tables, PostgreSQL 14 or newer. Run by the owner (a superuser) in one transaction; idempotent.
--
-- Times are int8 nanoseconds since 1970: exact, and their btree operators are leakproof, so that indexes and partition
-- pruning work under row-level security. `id` is unique per signal table: block of the sequence << 20 | ordinal;
-- (ts, id) is the total order that cursors use.
-- span_id, parent_id, resource_id, series_id: 8 bytes read as a signed big-endian integer. trace_id: 16 bytes as uuid.

DO $$ DECLARE r text; BEGIN
  PERFORM pg_advisory_xact_lock(7001, 0);                            -- two migrations at once: one after the other
  FOREACH r IN ARRAY ARRAY['obs_owner NOLOGIN', 'obs_read LOGIN', 'obs_ingest LOGIN BYPASSRLS', 'obs_app LOGIN'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = split_part(r, ' ', 1)) THEN EXECUTE 'CREATE ROLE ' || r; END IF;
  END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO obs_read, obs_ingest, obs_app;
GRANT USAGE, CREATE ON SCHEMA public TO obs_owner;

-- Accounts ------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS tenants(
  id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key        text NOT NULL UNIQUE CHECK (key ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE tenants
  ADD COLUMN IF NOT EXISTS status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  ADD COLUMN IF NOT EXISTS color text,                               -- #rrggbb
  ADD COLUMN IF NOT EXISTS retention_days int CHECK (retention_days BETWEEN 1 AND 3650),
  ADD COLUMN IF NOT EXISTS settings jsonb NOT NULL DEFAULT '{}';     -- what differs from the platform's settings
CREATE TABLE IF NOT EXISTS retired_tenants(                          -- deleted, while another server may still hold items of the key
  key        text PRIMARY KEY,
  deleted_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS platform_settings(                        -- one row: what applies to tenants that set nothing
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  settings jsonb NOT NULL DEFAULT '{}');
CREATE TABLE IF NOT EXISTS users(
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),          -- claim `sub`
  username      text NOT NULL UNIQUE,
  email         text NOT NULL,
  password_hash text NOT NULL,                                       -- argon2id, PHC string
  tenants       text[] NOT NULL DEFAULT '{}',                        -- tenants.key; a usable account has exactly one, a platform admin none
  roles         text[] NOT NULL DEFAULT '{}',
  enabled       boolean NOT NULL DEFAULT true,
  created_at    timestamptz NOT NULL DEFAULT now());
ALTER TABLE users
  ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS last_seen timestamptz,
  ADD COLUMN IF NOT EXISTS method text NOT NULL DEFAULT 'local',     -- local, oidc: who checks the password
  ADD COLUMN IF NOT EXISTS preferences jsonb NOT NULL DEFAULT '{}';
CREATE TABLE IF NOT EXISTS refresh_tokens(
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  family     uuid NOT NULL,                                          -- one login; reuse of a used token revokes the whole family
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  token_hash bytea NOT NULL UNIQUE,                                  -- sha256 of the token; the token itself is stored nowhere
  issued_at  timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at    timestamptz,
  revoked_at timestamptz);
CREATE INDEX IF NOT EXISTS refresh_tokens_family ON refresh_tokens(family);
CREATE INDEX IF NOT EXISTS refresh_tokens_expiry ON refresh_tokens(expires_at);
CREATE INDEX IF NOT EXISTS refresh_tokens_user ON refresh_tokens(user_id);
CREATE TABLE IF NOT EXISTS audit_log(                                -- append only: no role of the platform may change or delete
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  ts         timestamptz NOT NULL DEFAULT now(),
  tenant     text,                                                   -- tenants.key; NULL: concerns no single tenant
  username   text,
  action     text NOT NULL,
  resource   text,
  success    boolean NOT NULL,
  ip         text,
  request_id text,
  detail     jsonb);
CREATE INDEX IF NOT EXISTS audit_log_tenant ON audit_log(tenant, id);
CREATE TABLE IF NOT EXISTS search_history(
  tenant_id  int NOT NULL,
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id    uuid NOT NULL,
  ts         timestamptz NOT NULL DEFAULT now(),
  query      jsonb NOT NULL,
  matched    int,
  latency_ms double precision);
CREATE INDEX IF NOT EXISTS search_history_user ON search_history(tenant_id, user_id, id);

-- Signals -------------------------------------------------------------------------------------------------------------
CREATE SEQUENCE IF NOT EXISTS item_blocks;                           -- a writer takes 2^20 item ids at a time
CREATE TABLE IF NOT EXISTS resources(
  tenant_id int NOT NULL, resource_id bigint NOT NULL,               -- blake2b-8 of (tenant, attributes): no round trip to get an id
  service text NOT NULL, attrs jsonb NOT NULL, first_seen bigint NOT NULL,
  PRIMARY KEY (tenant_id, resource_id));
CREATE TABLE IF NOT EXISTS logs(
  tenant_id int NOT NULL, ts bigint NOT NULL, id bigint NOT NULL, resource_id bigint NOT NULL,
  severity smallint NOT NULL,                                        -- severity_number, 0 = unspecified
  span_id bigint, trace_id uuid, service text NOT NULL,
  severity_text text, body text,                                     -- a structured body is its JSON text
  attrs jsonb NOT NULL
) PARTITION BY RANGE (ts);
CREATE TABLE IF NOT EXISTS spans(
  tenant_id int NOT NULL, ts bigint NOT NULL, id bigint NOT NULL, resource_id bigint NOT NULL,
  duration bigint NOT NULL,                                          -- ns; negative when the sender's clock went backwards
  span_id bigint NOT NULL, parent_id bigint, trace_id uuid NOT NULL,
  kind smallint NOT NULL, status smallint NOT NULL,                  -- OTLP enums: kind 1 internal … 5 consumer; status 0 unset 1 ok 2 error
  service text NOT NULL, name text NOT NULL, status_message text,
  attrs jsonb NOT NULL, events jsonb, links jsonb                    -- events [{time_unix_nano (text), name, attributes}], links [{trace_id, span_id, attributes}]
) PARTITION BY RANGE (ts);
CREATE TABLE IF NOT EXISTS series(
  tenant_id int NOT NULL, series_id bigint NOT NULL,                 -- blake2b-8 of (tenant, resource, name, unit, kind of metric, labels)
  resource_id bigint NOT NULL, name text NOT NULL,
  type smallint NOT NULL,                                            -- 1 gauge, 2 sum
  monotonic boolean NOT NULL, temporality smallint NOT NULL,         -- sums: 1 delta, 2 cumulative; gauges 0
  unit text NOT NULL, description text NOT NULL, service text NOT NULL,
  labels jsonb NOT NULL,                                             -- attributes of the data points
  PRIMARY KEY (tenant_id, series_id));
CREATE TABLE IF NOT EXISTS samples(
  tenant_id int NOT NULL, ts bigint NOT NULL, id bigint NOT NULL, series_id bigint NOT NULL,
  value float8 NOT NULL,
  int_value bigint                                                   -- set only where value cannot hold the integer that was sent (beyond 2^53)
) PARTITION BY RANGE (ts);
-- Not partitioned: a time partition would make (tenant, key) unique per day only.
CREATE TABLE IF NOT EXISTS idempotency(
  tenant_id int NOT NULL, created bigint NOT NULL, key text NOT NULL, body_hash bytea NOT NULL, result bytea NOT NULL,
  PRIMARY KEY (tenant_id, key));
CREATE INDEX IF NOT EXISTS idempotency_created ON idempotency USING brin(created);

-- Alerts --------------------------------------------------------------------------------------------------------------
CREATE TABLE IF NOT EXISTS webhook_tokens(                           -- asked before the tenant is known: no row-level security
  token_hash bytea PRIMARY KEY,                                      -- sha256 of the token; the token itself is stored nowhere
  tenant_id  int NOT NULL UNIQUE REFERENCES tenants ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS alerts(
  tenant_id int NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid(),
  fingerprint text NOT NULL,                                         -- of the labels, as the sender counts it
  severity smallint NOT NULL CHECK (severity BETWEEN 0 AND 3),       -- 0 critical 1 error 2 warning 3 info: worst first
  title text NOT NULL, source text NOT NULL, service text,
  status text NOT NULL CHECK (status IN ('active','acknowledged','silenced','resolved')),
  assignee text,
  labels jsonb NOT NULL, annotations jsonb NOT NULL, generator_url text,
  starts_at timestamptz NOT NULL, ends_at timestamptz,
  acknowledged_at timestamptz, acknowledged_by text, resolved_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
  source_seen_at timestamptz,                                        -- when the Alertmanager itself last listed it
  PRIMARY KEY (tenant_id, id), UNIQUE (tenant_id, fingerprint));
CREATE INDEX IF NOT EXISTS alerts_worst ON alerts(tenant_id, severity, starts_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS alerts_newest ON alerts(tenant_id, starts_at DESC, id DESC);
CREATE TABLE IF NOT EXISTS alert_history(
  tenant_id int NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, alert_id uuid NOT NULL,
  ts timestamptz NOT NULL DEFAULT now(), action text NOT NULL, username text, note text,
  PRIMARY KEY (tenant_id, alert_id, id),
  FOREIGN KEY (tenant_id, alert_id) REFERENCES alerts ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS silences(
  tenant_id int NOT NULL, id uuid NOT NULL DEFAULT gen_random_uuid(),
  matchers jsonb NOT NULL,                                           -- [{name, value, is_regex, is_equal}], without the tenant's
  starts_at timestamptz NOT NULL, ends_at timestamptz NOT NULL CHECK (ends_at > starts_at),
  comment text NOT NULL, created_by text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  PRIMARY KEY (tenant_id, id));
CREATE INDEX IF NOT EXISTS silences_current ON silences(tenant_id, ends_at) WHERE deleted_at IS NULL;
CREATE TABLE IF NOT EXISTS alert_silences(                           -- which silence's matchers fit which alert, whatever the time
  tenant_id int NOT NULL, alert_id uuid NOT NULL, silence_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, alert_id, silence_id),
  FOREIGN KEY (tenant_id, alert_id) REFERENCES alerts ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, silence_id) REFERENCES silences ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS alert_silences_of ON alert_silences(tenant_id, silence_id);
-- What the live stream follows: one row for each write of a transaction, in it. Readers go by xid and stop at the oldest
-- transaction that is still open (pg_snapshot_xmin): what they have passed can gain no row any more, whoever commits when.
CREATE TABLE IF NOT EXISTS arrivals(
  tenant_id int NOT NULL,
  xid bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,    -- bigint: xid8's operators are not leakproof
  seq bigint GENERATED ALWAYS AS IDENTITY,
  signal text NOT NULL,                                              -- logs, traces, metrics, alerts
  first_ts bigint, last_ts bigint, first_id bigint, last_id bigint, items int NOT NULL DEFAULT 1,
  alert_id uuid,
  created timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, xid, seq));

-- btree only on the hot day: a trigram GIN makes the write four times as dear, and row-level security hides GIN from
-- operators that are not leakproof anyway.
CREATE INDEX IF NOT EXISTS logs_time ON logs(tenant_id, ts, id);
CREATE INDEX IF NOT EXISTS logs_service ON logs(tenant_id, service, ts, id);
CREATE INDEX IF NOT EXISTS logs_errors ON logs(tenant_id, ts, id) WHERE severity >= 17;
CREATE INDEX IF NOT EXISTS logs_trace ON logs(trace_id);
CREATE INDEX IF NOT EXISTS spans_time ON spans(tenant_id, ts, id);
CREATE INDEX IF NOT EXISTS spans_service ON spans(tenant_id, service, ts, id);
CREATE INDEX IF NOT EXISTS spans_errors ON spans(tenant_id, ts, id) WHERE status = 2;
CREATE INDEX IF NOT EXISTS spans_trace ON spans(trace_id);
CREATE INDEX IF NOT EXISTS samples_time ON samples(tenant_id, ts, id);
CREATE INDEX IF NOT EXISTS samples_series ON samples(tenant_id, series_id, ts) INCLUDE (value);   -- index-only range reads
CREATE INDEX IF NOT EXISTS series_name ON series(tenant_id, name);
CREATE INDEX IF NOT EXISTS series_resource ON series(tenant_id, resource_id);

-- Row-level security: the tenant of a transaction is set_config('app.tenant_id', <tenants.id>, true). No missing_ok: without
-- the setting every statement fails. FORCE binds the owner of the tables too.
DO $$ DECLARE t text; BEGIN
  FOREACH t IN ARRAY ARRAY['resources','logs','spans','series','samples','idempotency','search_history',
                           'alerts','alert_history','silences','alert_silences','arrivals'] LOOP
    EXECUTE format('ALTER TABLE %I OWNER TO obs_owner', t);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = t::regclass AND polname = 'tenant') THEN
      EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_setting(''app.tenant_id'')::int) '
                     'WITH CHECK (tenant_id = current_setting(''app.tenant_id'')::int)', t);
    END IF;
    EXECUTE format('ALTER TABLE %I ALTER tenant_id SET DEFAULT current_setting(''app.tenant_id'')::int', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['tenants','retired_tenants','platform_settings','users','refresh_tokens','audit_log','webhook_tokens'] LOOP
    EXECUTE format('ALTER TABLE %I OWNER TO obs_owner', t);
  END LOOP;
  -- Accounts of one tenant, by its key: app.scope is a tenant's key, or '*' for a login and for the platform's own admins.
  FOREACH t IN ARRAY ARRAY['users','audit_log'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
  END LOOP;
  IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = 'users'::regclass AND polname = 'scope') THEN
    CREATE POLICY scope ON users USING (current_setting('app.scope', true) = '*' OR tenants = ARRAY[current_setting('app.scope', true)]);
    CREATE POLICY scope ON audit_log USING (current_setting('app.scope', true) = '*' OR tenant = current_setting('app.scope', true));
  END IF;
END $$;

-- A partition for one day (days since 1970) without an ACCESS EXCLUSIVE lock on the parent: CREATE LIKE, then ATTACH.
-- There is no DEFAULT partition: it would be scanned by every ATTACH and refuse the proper one.
CREATE OR REPLACE FUNCTION ensure_partition(parent text, day int) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $f$
DECLARE
  leaf  text := format('%s_p%s', parent, day);
  first bigint := day * 86400000000000::bigint;
  next  bigint := (day + 1) * 86400000000000::bigint;
BEGIN
  IF parent NOT IN ('logs','spans','samples') THEN RAISE EXCEPTION 'no signal table: %', parent USING ERRCODE = '22023'; END IF;
  IF to_regclass(leaf) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(7001, hashtext(parent));
  -- Asked of the table and not by to_regclass(): its cache does not know yet what another session committed while we waited.
  IF EXISTS (SELECT FROM pg_class WHERE relname = leaf AND relnamespace = 'public'::regnamespace) THEN RETURN; END IF;
  EXECUTE format('CREATE TABLE public.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING CONSTRAINTS)', leaf, parent);
  EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT day CHECK (ts IS NOT NULL AND ts >= %s AND ts < %s)', leaf, first, next);
  -- A leaf inherits no policy and gets no grants: direct access shows nothing.
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', leaf);
  EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', leaf);
  EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)', parent, leaf, first, next);
  EXECUTE format('ALTER TABLE public.%I DROP CONSTRAINT day', leaf);
END $f$;
ALTER FUNCTION ensure_partition(text, int) OWNER TO obs_owner;
REVOKE ALL ON FUNCTION ensure_partition(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partition(text, int) TO obs_ingest;

-- obs_read: SELECT under RLS. obs_ingest: BYPASSRLS because COPY FROM is refused under RLS, but it may neither name tenant_id
-- (column grants) nor SELECT a signal: the tenant can only come from app.tenant_id. obs_app: accounts, never signals.
GRANT SELECT ON tenants TO obs_read, obs_ingest, obs_app;
GRANT INSERT (key, name, color, retention_days), UPDATE (name, status, color, retention_days, settings), DELETE ON tenants TO obs_app;
GRANT SELECT, INSERT ON retired_tenants TO obs_app;                  -- who frees an id knows what the other servers hold
GRANT SELECT, INSERT, UPDATE ON platform_settings TO obs_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, refresh_tokens TO obs_app;
GRANT SELECT, INSERT ON audit_log TO obs_app;
GRANT SELECT, INSERT, DELETE ON search_history TO obs_app;
GRANT SELECT ON webhook_tokens TO obs_app;
GRANT SELECT, INSERT, UPDATE ON alerts, silences TO obs_app;
GRANT SELECT, INSERT ON alert_history TO obs_app;                    -- what happened cannot be unsaid
GRANT SELECT, INSERT, DELETE ON alert_silences, arrivals TO obs_app;
GRANT SELECT ON alerts, alert_history, silences, alert_silences, arrivals TO obs_read;
GRANT INSERT (signal, first_ts, last_ts, first_id, last_id, items) ON arrivals TO obs_ingest;
GRANT SELECT ON logs, spans, series, samples, resources TO obs_read;
GRANT USAGE ON SEQUENCE item_blocks TO obs_ingest;
GRANT INSERT (ts, id, resource_id, severity, span_id, trace_id, service, severity_text, body, attrs) ON logs TO obs_ingest;
GRANT INSERT (ts, id, resource_id, duration, span_id, parent_id, trace_id, kind, status, service, name, status_message, attrs, events, links)
  ON spans TO obs_ingest;
GRANT INSERT (ts, id, series_id, value, int_value) ON samples TO obs_ingest;
GRANT INSERT (resource_id, service, attrs, first_seen) ON resources TO obs_ingest;
GRANT INSERT (series_id, resource_id, name, type, monotonic, temporality, unit, description, service, labels) ON series TO obs_ingest;
GRANT INSERT (created, key, body_hash, result), SELECT ON idempotency TO obs_ingest;
