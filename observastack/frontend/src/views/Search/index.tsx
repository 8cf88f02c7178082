/** Search over all signals. The address bar holds the whole state; this turns it into questions and shows the answers. */
import { type Ref, useCallback, useMemo, useRef, useState } from "react";
import { useNavigate, useSearchParams } from "react-router";

import { isStatus } from "../../app/errors";
import { Failure } from "../../app/Failure";
import { Page } from "../../app/Page";
import { roleFor } from "../../app/roles";
import { useCan, useCapabilities, useFlags, useMe } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { answered } from "../../app/sources";
import { fromWire, Histogram, HistogramLegend } from "../../charts";
import { Badge, Button, copyText, Forbidden, Pager, Skeleton, Tabs, useToast } from "../../components";
import { useLive } from "../../live/useLive";
import { idOf } from "../../search/display";
import { severityName, toggleFilter } from "../../search/filters";
import { forSharing, readState, type SearchState, stateOf, writeState } from "../../search/state";
import { fixed, lengthOf, resolve, shift } from "../../time/range";
import type { Aggregate, Filter, Item, Signal, SignalType } from "../../types";
import { exportResults } from "./exporting";
import { facetFields } from "./facetFields";
import { Facets } from "./Facets";
import { History } from "./History";
import { LineLinkContext } from "./lineLink";
import { LiveResults } from "./LiveResults";
import { NothingFound } from "./NothingFound";
import { list, PartialBanner } from "./PartialBanner";
import { QueryBar } from "./QueryBar";
import { type ListHandle, ResultList } from "./ResultList";
import { type Counts, type Results, useCounts, useResults } from "./useResults";
import "./search.css";

/** Counts are asked again so often while live tail runs, in milliseconds. */
const LIVE_COUNTS_MS = 5_000;
const SIGNALS: readonly Signal[] = ["logs", "metrics", "traces"];
const ALL_SIGNALS = 3;

export default function Search() {
  const me = useMe();
  if (me.tenant_id === null) return <NoTenant />;
  return <SearchOfTenant />;
}

function SearchOfTenant() {
  const me = useMe();
  const zone = me.preferences.time_zone;
  const [parameters, setParameters] = useSearchParams();
  const state = useMemo(
    () => readState(parameters, me.preferences.default_range_s),
    [parameters, me.preferences.default_range_s],
  );
  const [run, setRun] = useState(0);
  // "now" is the moment of the question, the same for the list, the counts and the facets.
  const question = JSON.stringify([state.text, state.filters, state.type, state.range, state.live, run]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- a new question is asked now
  const now = useMemo(() => Date.now(), [question]);
  const span = useMemo(() => resolve(state.range, now), [state.range, now]);

  const [wrap, setWrap] = useState(false);
  const [editing, setEditing] = useState<number | "new" | null>(null);
  const [showFacets, setShowFacets] = useState(false);
  const toast = useToast();
  const navigate = useNavigate();
  const rows = useRef<ListHandle>(null);

  const change = useCallback(
    (part: Partial<SearchState>, replace = false) => {
      setParameters((current) => writeState({ ...readState(current, me.preferences.default_range_s), ...part }), { replace });
    },
    [setParameters, me.preferences.default_range_s],
  );

  const results = useResults(state, span, run, !state.live);
  const every = state.live ? LIVE_COUNTS_MS : undefined;
  const all = useCounts(state, "all", span, run, true, every);
  const narrowed = useCounts(state, state.type, span, run, state.type !== "all", every);
  const counts = state.type === "all" ? all : narrowed;
  const live = useLive(state, state.live);

  const items = state.live ? live.buffer.shown : results.items;
  const fields = useMemo(() => facetFields(items), [items]);
  const known = useMemo(() => knownValues(items), [items]);
  const flags = useFlags();
  const capabilities = useCapabilities()?.capabilities;
  const liveReason =
    capabilities && !capabilities.includes("live")
      ? "Live tail is not part of this deployment"
      : flags?.live_tail === false
        ? "Live tail is turned off for your tenant"
        : null;

  const setFilters = (filters: Filter[]) => change({ filters, open: null });
  const addFilter = useCallback(
    (filter: Filter) => change({ filters: toggleFilter(state.filters, filter), open: null }),
    [change, state.filters],
  );
  const toggle = useCallback((id: string) => change({ open: state.open === id ? null : id }, true), [change, state.open]);
  /** Another question is asked by its address; the same one again, now. */
  const askFor = (part: Partial<SearchState>) => {
    const same = writeState({ ...state, ...part }).toString() === writeState(state).toString();
    if (same) setRun((old) => old + 1);
    else change(part);
  };
  const ask = ({ text, filters }: { text: string; filters: Filter[] }) =>
    askFor({ text, filters: [...state.filters, ...filters], open: null, live: false });
  const toggleLive = () => {
    if (liveReason === null) change({ live: !state.live, open: null, selection: null });
  };

  useShortcuts({
    "/": () => document.querySelector<HTMLInputElement>("[data-testid=search-input]")?.focus(),
    "Ctrl+Enter": () => document.querySelector<HTMLButtonElement>("[data-testid=search-run]")?.click(),
    f: () => setEditing("new"),
    r: () => document.querySelector<HTMLButtonElement>("[data-testid=time-range]")?.click(),
    l: toggleLive,
    "[": () => change({ range: shift(state.range, -1, Date.now()), selection: null }),
    "]": () => change({ range: shift(state.range, 1, Date.now()), selection: null }),
    j: () => rows.current?.move(1),
    k: () => rows.current?.move(-1),
    o: () => {
      const item = rows.current?.focused() ?? items.find((one) => idOf(one) === state.open);
      if (item?.trace_id) void navigate(`/traces/${item.trace_id}`);
    },
  });

  const addressOf = useCallback(
    (part: Partial<SearchState>) => `${location.origin}/search?${writeState(forSharing({ ...state, ...part }, now)).toString()}`,
    [state, now],
  );
  const lineLink = useCallback((item: Item) => addressOf({ open: idOf(item) }), [addressOf]);
  const copyLink = async () => {
    const done = await copyText(addressOf({}));
    toast(done ? { tone: "ok", title: "Link copied", text: "It holds absolute times, so others see the same." } : { tone: "error", title: "Copying is not allowed here" });
  };

  const down = SIGNALS.filter((signal) => {
    const status = results.sources[signal];
    return !state.live && status !== undefined && !answered(status);
  });
  const refused = isStatus(results.error, 400, 422) ? results.error.message : null;
  return (
    <Page
      title="Search"
      tabs={
        <Tabs<SignalType>
          label="Signal"
          value={state.type}
          panelId="results"
          testIdPrefix="signal-tab"
          onChange={(type) => change({ type, open: null })}
          tabs={(["all", "logs", "metrics", "traces"] as const).map((type) => ({
            id: type,
            label: type === "all" ? "All" : type.charAt(0).toUpperCase() + type.slice(1),
            count: tabCount(type, all),
          }))}
        />
      }
      tools={
        down.length > 0 && (
          <span data-testid="source-badge">
            <Badge kind="warn" icon="warning">
              {down.length} {down.length === 1 ? "source" : "sources"} down
            </Badge>
          </span>
        )
      }
    >
      <QueryBar
        state={state}
        zone={zone}
        running={results.loading}
        problem={refused}
        known={known}
        liveReason={liveReason}
        editing={editing}
        onEdit={setEditing}
        onRun={ask}
        onFilters={setFilters}
        onRange={(range) => change({ range, selection: null, open: null })}
        onLive={toggleLive}
      />
      {!state.live && <PartialBanner sources={results.sources} totals={all.stale ? undefined : all.data?.sources} busy={results.loading} onRetry={results.retry} />}
      <Matches
        counts={counts}
        results={results}
        state={state}
        zone={zone}
        onSelect={(selection) => change({ selection, open: null }, true)}
        onZoom={(selection) => change({ range: fixed(selection), selection: null, open: null })}
      />
      <div className={counts.data || counts.loading ? "split" : "stack"}>
        <Facets
          state={state}
          span={span}
          run={run}
          counts={counts.data}
          all={all.data}
          fields={fields}
          loading={counts.loading}
          onFilters={setFilters}
          onType={(type) => change({ type, open: null })}
          hidden={!showFacets}
        />
        <section className="panel" id="results" role="tabpanel" aria-label="Results" aria-busy={results.loading && !state.live}>
          <h2 className="sr">{state.live ? "Live results" : "Results"}</h2>
          <LineLinkContext value={lineLink}>
            {state.live ? (
              <LiveResults
                live={live}
                state={state}
                zone={zone}
                wrap={wrap}
                handle={rows}
                onToggle={toggle}
                onFilter={addFilter}
                onStop={toggleLive}
              />
            ) : (
              <StoredResults
                results={results}
                counts={counts}
                state={state}
                span={span}
                now={now}
                wrap={wrap}
                handle={rows}
                onWrap={() => setWrap(!wrap)}
                onToggle={toggle}
                onFilter={addFilter}
                onCopyLink={() => void copyLink()}
                onFacets={() => setShowFacets(!showFacets)}
                facetsShown={showFacets}
                onHistory={(query) => askFor(stateOf(query, me.preferences.default_range_s))}
                onChange={(wanted) => change(wanted)}
                onRun={() => setRun((old) => old + 1)}
              />
            )}
          </LineLinkContext>
        </section>
      </div>
    </Page>
  );
}

function Matches({
  counts,
  results,
  state,
  zone,
  onSelect,
  onZoom,
}: {
  counts: Counts;
  results: Results;
  state: SearchState;
  zone: "utc" | "browser";
  onSelect: (selection: SearchState["selection"]) => void;
  onZoom: (selection: NonNullable<SearchState["selection"]>) => void;
}) {
  const { data } = counts;
  const stores = useCapabilities()?.stores;
  const buckets = useMemo(() => (data ? fromWire(data.buckets) : []), [data]);
  const busy = results.loading && !state.live;
  const asked = state.type === "all" ? SIGNALS : [state.type];
  const names = asked.map((signal) => (stores && stores[signal] !== "embedded" ? stores[signal] : signal));
  const step = (data?.step_ns ?? 0) / 1e9;
  const loading = counts.stale || (counts.loading && !state.live);
  return (
    <section className="panel" aria-labelledby="matches-heading">
      <div className="panel-h">
        <h2 id="matches-heading">Matches over time</h2>
        {data && <span className="muted num">{lengthOf(step)} per bar</span>}
        <div className="right">
          {busy ? (
            <>
              <span role="status" data-testid="loading-status">
                Asking {list(names)}.{" "}
                <span className="num">
                  {Object.keys(results.progress).length} of {asked.length} answered
                </span>
              </span>
              <Button size="sm" data-testid="search-cancel" onClick={results.cancel}>
                Cancel
              </Button>
            </>
          ) : (
            <>
              {data && <HistogramLegend buckets={buckets} keys={data.keys} />}
              {state.live && <Badge kind="ok">updates every {LIVE_COUNTS_MS / 1000} s</Badge>}
            </>
          )}
        </div>
      </div>
      <div className="panel-b" style={{ padding: "16px 14px 8px 8px" }}>
        {data ? (
          <Histogram
            buckets={buckets}
            step_ms={data.step_ns / 1e6}
            keys={data.keys}
            selection={state.live ? null : state.selection}
            onSelect={state.live ? () => undefined : onSelect}
            onZoom={onZoom}
            zone={zone}
            loading={loading}
          />
        ) : counts.error ? (
          <p className="muted" style={{ padding: "38px 12px", textAlign: "center" }}>
            The counts over time are not available now. The list below does not depend on them.
          </p>
        ) : (
          <GhostBars />
        )}
      </div>
    </section>
  );
}

/** The place of the histogram before the first answer. */
function GhostBars() {
  return (
    <figure className="chart" role="group" aria-label="Matches over time are being counted" style={{ minHeight: 114 }}>
      <div className="y" style={{ height: 96 }} aria-hidden="true" />
      <div className="plot" style={{ height: 96 }}>
        <svg aria-hidden="true">
          {Array.from({ length: 60 }, (_, index) => {
            const height = 16 + ((index * 37) % 11) + 8 * Math.sin(index / 5) + 8;
            return (
              <rect key={index} x={`${index * 1.667 + 0.17}%`} width="1.33%" y={`${100 - height}%`} height={`${height}%`} fill="var(--grid)" />
            );
          })}
        </svg>
      </div>
    </figure>
  );
}

interface StoredProps {
  results: Results;
  counts: Counts;
  state: SearchState;
  span: { from: number; to: number };
  now: number;
  wrap: boolean;
  handle: Ref<ListHandle>;
  facetsShown: boolean;
  onWrap: () => void;
  onToggle: (id: string) => void;
  onFilter: (filter: Filter) => void;
  onCopyLink: () => void;
  onFacets: () => void;
  onHistory: (query: Parameters<typeof stateOf>[0]) => void;
  onChange: (state: SearchState) => void;
  onRun: () => void;
}

function StoredResults(props: StoredProps) {
  const { results, counts, state, span, now, wrap } = props;
  const zone = useMe().preferences.time_zone;
  if (results.cancelled) {
    return (
      <div className="empty" data-testid="search-cancelled">
        <h2>The search was cancelled</h2>
        <p>Nothing is known about this range.</p>
        <Button onClick={props.onRun}>Run again</Button>
      </div>
    );
  }
  if (results.error && !isStatus(results.error, 400, 422)) {
    return <SearchFailure error={results.error} onRetry={results.retry} />;
  }
  if (results.items.length === 0 && results.loading) return <LoadingRows />;
  const total = totalOf(counts, state);
  return (
    <div className={results.loading && results.stale ? "results-dim" : undefined}>
      <div className="rtools">
        <span data-testid="result-stats">
          <Stats shown={results.items.length} total={total} state={state} hasMore={results.more !== null} />
        </span>
        {results.latencyMs !== null && (
          <span className="num hide-s">newest first, answered in {Math.round(results.latencyMs).toLocaleString("en")} ms</span>
        )}
        <div className="right">
          <Button size="sm" variant="ghost" icon="filter" className="only-s" pressed={props.facetsShown} onClick={props.onFacets}>
            Filters
          </Button>
          <Button size="sm" variant="ghost" icon="wrap" pressed={wrap} data-testid="result-wrap" onClick={props.onWrap}>
            Wrap
          </Button>
          <History onChoose={props.onHistory} />
          <Button size="sm" variant="ghost" icon="link" className="hide-s" data-testid="search-copy-link" onClick={props.onCopyLink}>
            Copy link
          </Button>
          <ExportButton state={state} span={span} />
        </div>
      </div>
      {results.items.length === 0 ? (
        isStatus(results.error, 400, 422) ? null : (
          <NothingFound state={state} span={span} now={now} zone={zone} sources={results.sources} onChange={props.onChange} />
        )
      ) : (
        <>
          <ResultList
            items={results.items}
            openId={state.open}
            needle={state.text}
            zone={zone}
            wrap={wrap}
            label="Results, newest first"
            handle={props.handle}
            onToggle={props.onToggle}
            onFilter={props.onFilter}
          />
          <Pager
            shown={results.items.length}
            total={total?.count ?? null}
            hasMore={results.more !== null}
            onMore={() => results.more?.load()}
            busy={results.more?.loading ?? false}
            more={`Load ${(results.more?.size ?? 0).toLocaleString("en")} older`}
            onFirst={() => scrollTo({ top: 0 })}
            atFirst={results.items.length <= 100}
          />
        </>
      )}
    </div>
  );
}

function Stats({
  shown,
  total,
  state,
  hasMore,
}: {
  shown: number;
  total: { count: number; selected: number | null } | null;
  state: SearchState;
  hasMore: boolean;
}) {
  if (total === null) {
    return (
      <>
        <b className="num">{shown.toLocaleString("en")}</b> {hasMore ? "shown, more to come" : shown === 1 ? "match" : "matches"}
      </>
    );
  }
  if (state.selection && total.selected !== null) {
    return (
      <>
        <b className="num">{total.selected.toLocaleString("en")}</b> of {total.count.toLocaleString("en")}, in the selection
      </>
    );
  }
  return (
    <>
      <b className="num">{total.count.toLocaleString("en")}</b> {total.count === 1 ? "match" : "matches"}
    </>
  );
}

function ExportButton({ state, span }: { state: SearchState; span: { from: number; to: number } }) {
  const allowed = useCan("search:export");
  const flags = useFlags();
  const toast = useToast();
  const [busy, setBusy] = useState(false);
  const reason = !allowed
    ? `Needs the role ${roleFor("search:export")}`
    : flags?.export === false
      ? "Export is turned off for your tenant"
      : null;
  const start = async () => {
    setBusy(true);
    try {
      const end = await exportResults(state, span, new AbortController().signal);
      const lines = `${end.count.toLocaleString("en")} ${end.count === 1 ? "line" : "lines"}`;
      if (end.partial) toast({ tone: "warn", title: `Exported ${lines}, not all`, text: "A source did not answer: the file is not complete." });
      else toast({ tone: "ok", title: `Exported ${lines}` });
    } catch (error) {
      toast({
        tone: "error",
        title: "The export did not finish",
        text: isStatus(error, 429) ? `The next one may start in ${error.retryAfterS ?? 60} s.` : "No file was kept. Try again, or a shorter range.",
      });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button size="sm" variant="ghost" icon="download" reason={reason} busy={busy} data-testid="search-export" onClick={() => void start()}>
      Export
    </Button>
  );
}

function SearchFailure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const me = useMe();
  if (isStatus(error, 403)) {
    return (
      <Forbidden
        what="the search"
        needs={roleFor("search:read")}
        tenant={me.tenant?.name ?? me.tenant_id}
        roles={me.roles}
        requestId={error.requestId}
        home={null}
      />
    );
  }
  if (isStatus(error, 503)) {
    return (
      <div className="empty" data-testid="search-unavailable">
        <h2>No source answered</h2>
        <p>Nothing is known about this range.</p>
        <Button icon="refresh" onClick={onRetry}>
          Try again
        </Button>
        {error.requestId && (
          <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
            Request <code>{error.requestId}</code>
          </p>
        )}
      </div>
    );
  }
  return <Failure error={error} onRetry={onRetry} />;
}

function NoTenant() {
  const me = useMe();
  return (
    <Page title="Search">
      <Forbidden what="the search of a tenant" needs={null} tenant={null} roles={me.roles} home={<a className="btn primary" href="/admin/tenants">Go to Admin</a>} />
    </Page>
  );
}

function LoadingRows() {
  return (
    <>
      <div className="rtools">
        <Skeleton width={150} />
      </div>
      <ol className="rows" aria-label="Results are loading">
        {Array.from({ length: 14 }, (_, index) => (
          <li key={index}>
            <div className="row" style={{ cursor: "default" }}>
              <Skeleton width={12} />
              <Skeleton width={76} />
              <Skeleton width={34} />
              <Skeleton width={88} />
              <Skeleton width={`${45 + ((index * 37) % 45)}%`} />
              <Skeleton width={30} />
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}

/** A number only when it is known: a source without an answer makes it `?`, never 0. */
function tabCount(type: SignalType, counts: Counts): number | "…" | null | undefined {
  if (counts.data === undefined) return counts.error ? undefined : "…";
  const sources = counts.data.sources;
  if (type !== "all") {
    const status = sources[type];
    return status === undefined || !answered(status) ? null : status.count;
  }
  return Object.keys(sources).length === ALL_SIGNALS || counts.data.total > 0 ? counts.data.total : null;
}

function totalOf(counts: Counts, state: SearchState): { count: number; selected: number | null } | null {
  const data: Aggregate | undefined = counts.data;
  if (data === undefined || counts.stale) return null;
  if (state.selection === null) return { count: data.total, selected: null };
  const { from, to } = state.selection;
  const step = data.step_ns / 1e6;
  let selected = 0;
  for (const { t, counts: inside } of fromWire(data.buckets)) {
    if (t < to && t + step > from) for (const count of Object.values(inside)) selected += count;
  }
  return { count: data.total, selected };
}

/** Fields and some of their values, for the filter editor. */
function knownValues(items: readonly Item[]): Map<string, string[]> {
  const seen = new Map<string, Set<string>>();
  const put = (field: string, value: unknown) => {
    const values = seen.get(field) ?? new Set<string>();
    if (values.size < 20 && (typeof value === "string" || typeof value === "number" || typeof value === "boolean")) {
      values.add(String(value));
    }
    seen.set(field, values);
  };
  for (const item of items.slice(0, 300)) {
    put("service", item.service);
    if (item.source === "logs") put("severity", severityName(item.content.severity_number));
    for (const [key, value] of Object.entries(item.content.attributes)) put(`attributes.${key}`, value);
    for (const [key, value] of Object.entries(item.content.resource)) put(`resource.${key}`, value);
  }
  return new Map([...seen].map(([field, values]) => [field, [...values]]));
}
