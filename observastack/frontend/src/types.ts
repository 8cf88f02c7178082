/** The API's documents, as the backend sends them. Times are RFC 3339 texts unless the name ends in _unix_nano or _s. */

export type Role = "viewer" | "editor" | "analyst" | "tenant_admin" | "admin";

export type Permission =
  | "search:read"
  | "signals:read"
  | "search:export"
  | "alerts:read"
  | "alerts:write"
  | "insights:read"
  | "insights:export"
  | "profile:write"
  | "admin:tenant"
  | "admin:platform"
  | "test-data:write";

/** Every error of the API. */
export interface ErrorEnvelope {
  error: { code: string; message: string; request_id: string; details: Record<string, unknown>[] };
}

/** A page of a list; next_cursor is null on the last one. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
  total?: number;
}

// ---- auth

export interface AuthInfo {
  method: "local" | "oidc";
  issuer: string;
  audience: string;
  jwks_uri: string;
  client_id: string | null;
  authorization_endpoint: string | null;
  token_endpoint: string | null;
  end_session_endpoint: string | null;
  scopes: string | null;
}

export interface TokenPair {
  access_token: string;
  refresh_token: string;
  token_type: string;
  expires_in: number;
}

export interface Preferences {
  theme: "system" | "light" | "dark";
  time_zone: "utc" | "browser";
  default_range_s: number;
  single_keys: boolean;
  relative_times: boolean;
}

export interface Me {
  sub: string;
  preferred_username: string;
  name: string;
  email: string;
  tenant_id: string | null;
  tenant: { id: string; name: string; color: string } | null;
  roles: Role[];
  permissions: Permission[];
  expires_at: string;
  method: "local" | "oidc";
  preferences: Preferences;
}

// ---- meta

export interface Capabilities {
  stores: Record<Signal, string>;
  promql: { functions: string[]; aggregations: string[] };
  capabilities: string[];
  limits?: Record<string, number>;
}

export interface Flags {
  flags: { live_tail: boolean; alerts: boolean; insights: boolean; export: boolean; correlation: boolean };
}

// ---- search

export type Signal = "logs" | "metrics" | "traces";
export type SignalType = Signal | "all";
export type Operator = "equals" | "not_equals" | "contains" | "regex" | "range" | "exists" | "gt" | "lt";

export interface Filter {
  field: string;
  operator: Operator;
  value: unknown;
}

export interface TimeRange {
  from: string;
  to: string;
}

export interface SearchQuery {
  free_text?: string;
  type: SignalType;
  time_range?: TimeRange;
  filters?: Filter[];
  limit?: number;
  cursor?: string;
  sort_order?: "asc" | "desc";
}

export type Attributes = Record<string, unknown>;

export interface LogContent {
  body: unknown;
  severity_number: number;
  severity_text: string | null;
  attributes: Attributes;
  resource: Attributes;
  span_id: string | null;
}

export interface SpanEvent {
  name?: string;
  time_unix_nano?: string | number;
  attributes?: Attributes;
}

export interface SpanContent {
  name: string;
  span_id: string;
  parent_span_id: string | null;
  kind: number;
  status_code: number;
  status_message: string | null;
  duration_ns: number;
  attributes: Attributes;
  events: SpanEvent[];
  links: { trace_id?: string; span_id?: string; attributes?: Attributes }[];
  resource: Attributes;
}

export interface SampleContent {
  name: string;
  type: "gauge" | "sum" | "unknown";
  unit: string;
  value: number | string | null;
  monotonic: boolean | null;
  temporality: number | null;
  attributes: Attributes;
  resource: Attributes;
}

interface ItemOf<S extends Signal, C> {
  id: string;
  timestamp: string;
  time_unix_nano: string;
  source: S;
  service: string;
  trace_id: string | null;
  content: C;
}

export type LogItem = ItemOf<"logs", LogContent>;
export type SpanItem = ItemOf<"traces", SpanContent>;
export type SampleItem = ItemOf<"metrics", SampleContent>;
export type Item = LogItem | SpanItem | SampleItem;

/** implementation: the adapter's name (embedded, loki, tempo, prometheus). */
export interface SourceStatus {
  name?: Signal;
  status: "ok" | "partial" | "error" | "timeout";
  count: number;
  reason?: string | null;
  implementation?: string;
  latency_ms?: number;
}

export type Sources = Partial<Record<Signal, SourceStatus>>;

export interface SearchResult {
  items: Item[];
  stats: { matched: number; latency_ms: number; sources: Sources };
  facets: Record<string, Record<string, number>>;
  next_cursor: string | null;
  partial: boolean;
}

export interface Aggregate {
  time_range: { from: string; to: string };
  step_ns: number;
  keys: string[];
  buckets: { time_unix_nano: string; counts: Record<string, number> }[];
  total: number;
  facets: Record<string, Record<string, number>>;
  sources: Sources;
  partial: boolean;
}

/** from and to of a link are "source:id". */
export interface Correlation {
  items: Item[];
  links: { from: string; to: string; kind: "trace_id" | "service_window" }[];
  partial: boolean;
  sources: Sources;
}

export interface HistoryEntry {
  id: string;
  ts: string;
  query: SearchQuery;
  matched: number;
  latency_ms: number;
}

// ---- live

export type LiveMessage =
  | { type: "hello"; cursor: string; types: string[] }
  | { type: "items"; source: Signal; items: Item[]; cursor: string; dropped: number }
  | { type: "alert"; alert: Alert; cursor: string }
  | { type: "heartbeat"; ts: string; cursor?: string }
  | { type: "expiring"; in_s: number }
  | { type: "pong" }
  | { type: "error"; code: string; message: string };

// ---- signals

export interface PromSeries {
  metric: Record<string, string>;
  value?: [number, string];
  values?: [number, string][];
}

export interface PromResult {
  status: "success";
  data: { resultType: "vector" | "matrix" | "scalar" | "string"; result: PromSeries[] };
}

export interface PromNames {
  status: "success";
  data: string[];
}

/** GET /traces/{id}: the spans in order of start. */
export interface Trace {
  trace_id: string;
  spans: SpanItem[];
}

// ---- alerts

export type AlertSeverity = "critical" | "error" | "warning" | "info";
export type AlertStatus = "active" | "acknowledged" | "silenced" | "resolved";
export type AlertAction = "acknowledge" | "resolve" | "assign" | "silence";

export interface AlertHistory {
  ts: string;
  action:
    | "fired"
    | "refired"
    | "acknowledged"
    | "resolved"
    | "resolved_by_source"
    | "assigned"
    | "silenced"
    | "unsilenced";
  user: string | null;
  note: string | null;
}

export interface Alert {
  id: string;
  fingerprint: string;
  severity: AlertSeverity;
  title: string;
  source: string;
  service: string | null;
  status: AlertStatus;
  assignee: string | null;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  starts_at: string;
  ends_at: string | null;
  acknowledged_at: string | null;
  resolved_at: string | null;
  updated_at: string;
  generator_url: string | null;
  history?: AlertHistory[];
}

export interface AlertStatistics {
  total: number;
  by_status: Partial<Record<AlertStatus, number>>;
  by_severity: Partial<Record<AlertSeverity, number>>;
  new_15m: number;
  resolved_24h: number;
  median_time_to_acknowledge_s: number | null;
}

export interface AlertActionRequest {
  action: AlertAction;
  ids: string[];
  assignee?: string | null;
  note?: string;
  duration_s?: number;
}

export interface AlertActionResult {
  results: { id: string; ok: boolean; status: number; message: string | null; alert: Alert | null }[];
  succeeded: number;
  failed: number;
}

export interface Matcher {
  name: string;
  value: string;
  is_regex: boolean;
  is_equal: boolean;
}

export interface Silence {
  id: string;
  matchers: Matcher[];
  starts_at: string;
  ends_at: string;
  comment: string;
  created_by: string;
  created_at: string;
  state: "active" | "pending" | "expired";
  matched: number;
}

// ---- insights

export interface InsightsDashboard {
  time_range: TimeRange;
  cost: { amount: number; currency: string; change_pct: number | null };
  cpu: { used_pct: number | null; change_points: number | null };
  memory: { used_pct: number | null; change_points: number | null };
  ingest: { bytes_per_day: number; items_per_day: number; change_pct: number | null };
  savings: { amount: number; share_pct: number };
  services: number;
  error_pct: number | null;
  alerts_active: number | null;
  /** Something could not be counted in time. */
  partial?: boolean;
}

export interface Utilisation {
  service: string;
  cpu: { used_pct: number | null; requested_pct: number | null };
  memory: { used_pct: number | null; requested_pct: number | null };
  requests_per_s: number | null;
  error_pct: number | null;
  p95_ms: number | null;
}

export interface CostBreakdown {
  currency: string;
  total: number;
  items: {
    service: string;
    cost: number;
    share_pct: number;
    change_pct: number | null;
    bytes: number;
    logs: number;
    spans: number;
    samples: number;
  }[];
  model: { per_gb_logs: number; per_gb_traces: number; per_million_samples: number };
  partial?: boolean;
}

export interface Anomalies {
  sigma: number;
  baseline: { buckets: number; step_s: number };
  items: {
    id: string;
    service: string;
    signal: string;
    unit: string;
    now: number;
    expected: number;
    deviation: number;
    direction: string;
    since: string;
    points: [number, number][];
    band: [number, number, number][];
  }[];
  partial?: boolean;
}

export interface Trend {
  points: [number, number][];
  /** null: too few points for a line. */
  trend: { slope_per_h: number | null; direction: "rising" | "falling" | "flat" | null; r2: number | null };
  forecast: [number, number][];
}

// ---- admin

/** null: could not be counted in time, or is not set. */
export interface Tenant {
  id: string;
  name: string;
  status: "active" | "suspended";
  color: string | null;
  retention_days: number | null;
  users: number;
  disabled_users: number;
  logs: number | null;
  spans: number | null;
  series: number | null;
  bytes_per_day: number | null;
  last_write: string | null;
  created_at: string;
}

export interface User {
  id: string;
  username: string;
  name: string;
  email: string;
  tenant_id: string | null;
  roles: Role[];
  enabled: boolean;
  method: string;
  last_seen: string | null;
  created_at: string;
}

export interface NewUser {
  user: User;
  /** Shown once; null in a repeated answer. */
  temporary_password: string | null;
}

export interface RoleInfo {
  role: Role;
  permissions: Permission[];
  description: string;
}

export interface AuditEntry {
  id: string;
  ts: string;
  user: string | null;
  tenant: string | null;
  action: string;
  resource: string | null;
  success: boolean;
  ip: string | null;
  request_id: string | null;
  detail: Record<string, unknown> | null;
}

export interface Settings {
  retention_days: number;
  requests_per_minute: number;
  anomaly_sigma: number;
  updated_at: string | null;
  updated_by: string | null;
}

export interface PlatformHealth {
  version: string;
  defects: string[];
  dependencies: { name: string; ready: boolean; latency_ms: number; reason: string | null }[];
  sources: Record<string, { adapter: string; status: string; latency_ms: number | null }>;
  uptime_s: number;
}
