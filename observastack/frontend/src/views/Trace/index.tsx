/** One trace: where its time went, which spans failed, what its logs say. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import { Link, useParams, useSearchParams } from "react-router";

import { api, isStatus } from "../../app/api";
import { Failure } from "../../app/Failure";
import { Page } from "../../app/Page";
import { useMe } from "../../app/session";
import { useShortcuts } from "../../app/shortcuts";
import { Badge, Button, copyText, Find, IconButton, ServiceTag, SkeletonBlock, useToast } from "../../components";
import { registerServices } from "../../components";
import { clockMillis, day, duration, type Zone, zoneName } from "../../time/clock";
import { nextFailed, type TraceModel, traceModel, visibleRows } from "../../trace/model";
import type { LogItem, Trace as TraceDocument } from "../../types";
import { Minimap } from "./Minimap";
import { SpanInspector } from "./SpanInspector";
import { TraceLogs } from "./TraceLogs";
import { WHOLE, Waterfall, type WaterfallHandle, type Window } from "./Waterfall";
import "./trace.css";

export default function Trace() {
  const { id = "" } = useParams();
  const trace = useQuery({
    queryKey: ["trace", id],
    queryFn: ({ signal }) => api.get<TraceDocument>(`/traces/${encodeURIComponent(id)}`, {}, { signal }),
    staleTime: 60_000,
    retry: false,
  });
  const model = useMemo(() => {
    if (!trace.data || trace.data.spans.length === 0) return null;
    const made = traceModel(trace.data.spans);
    registerServices(made.byOwnTime);
    return made;
  }, [trace.data]);
  if (model) return <Shown key={id} id={id} model={model} />;
  return (
    <Page title="Trace" heading={<Heading name="Trace" />}>
      {trace.error ? (
        <Failure
          whole
          what="This trace"
          // An id that cannot be one is missing like any other.
          error={trace.error}
          onRetry={isStatus(trace.error, 404, 422) ? undefined : () => void trace.refetch()}
        />
      ) : (
        <section className="panel">
          <div className="panel-b">
            <SkeletonBlock lines={12} label="Loading the trace" />
          </div>
        </section>
      )}
    </Page>
  );
}

function Heading({ name, children }: { name: string; children?: ReactNode }) {
  return (
    <div className="crumb">
      <Link to="/search">Search</Link>
      <span className="sep">/</span>
      <h1 className="trunc" title={name}>
        {name}
      </h1>
      {children}
    </div>
  );
}

function Shown({ id, model }: { id: string; model: TraceModel }) {
  const zone = useMe().preferences.time_zone;
  const toast = useToast();
  const [parameters, setParameters] = useSearchParams();
  const [collapsed, setCollapsed] = useState<ReadonlySet<string>>(new Set());
  const [criticalOnly, setCriticalOnly] = useState(false);
  const [find, setFind] = useState("");
  const [shown, setShown] = useState<Window>(WHOLE);
  const waterfall = useRef<WaterfallHandle>(null);
  const selectedId = parameters.get("span");
  const selected = useMemo(
    () => model.rows.findIndex((row) => row.span.content.span_id === selectedId),
    [model, selectedId],
  );
  const visible = useMemo(() => visibleRows(model.rows, collapsed, criticalOnly), [model, collapsed, criticalOnly]);
  const matches = useMemo(() => matching(model, find), [model, find]);
  const root = model.rows[0]?.span;

  const select = useCallback(
    (span: string | null) => {
      setParameters(
        (old) => {
          const next = new URLSearchParams(old);
          if (span === null) next.delete("span");
          else next.set("span", span);
          return next;
        },
        { replace: true },
      );
    },
    [setParameters],
  );
  /** Opens what is collapsed above the row, then goes there. */
  const reveal = useCallback(
    (index: number) => {
      const row = model.rows[index];
      if (row === undefined) return;
      const above = new Set<string>();
      for (let at = row.parent; at !== null; at = model.rows[at]?.parent ?? null) {
        above.add(model.rows[at]?.span.content.span_id ?? "");
      }
      setCollapsed((old) => new Set([...old].filter((span) => !above.has(span))));
      if (criticalOnly && row.critical.length === 0) setCriticalOnly(false);
      select(row.span.content.span_id);
      requestAnimationFrame(() => waterfall.current?.focus(row.span.content.span_id));
    },
    [model, select, criticalOnly],
  );
  const nextError = () => {
    const next = nextFailed(model.rows, selected);
    if (next !== null) reveal(next);
  };
  useShortcuts({
    e: nextError,
    c: () => setCriticalOnly((old) => !old),
    "/": () => document.querySelector<HTMLInputElement>("[data-testid=trace-find]")?.focus(),
  });
  const logs = useQuery({
    queryKey: ["trace-logs", id],
    queryFn: ({ signal }) => api.get<{ items: LogItem[] }>(`/traces/${encodeURIComponent(id)}/logs`, {}, { signal }),
    staleTime: 60_000,
    retry: false,
  });
  const chosen = model.rows[selected];
  const startMs = Number(model.startNs / 1_000_000n);
  const copyId = async () => {
    if (await copyText(id)) toast({ tone: "ok", title: "Trace id copied" });
  };
  const found = find.trim() === "" ? null : matches.size;
  return (
    <Page
      title={root?.content.name ?? "Trace"}
      heading={
        <Heading name={root?.content.name ?? "Trace"}>
          {model.errors > 0 && (
            <Badge kind="error" icon="error">
              error
            </Badge>
          )}
          <span className="label hide-s" title={id} data-testid="trace-id">
            {id.slice(0, 16)}…
          </span>
          <span className="hide-s">
            <IconButton icon="copy" label="Copy trace id" onClick={() => void copyId()} />
          </span>
        </Heading>
      }
    >
      <section className="panel" aria-label="Trace summary">
        <div className="panel-b flex between" style={{ gap: "14px 30px" }}>
          <Facts model={model} startMs={startMs} zone={zone} />
          <div className="flex">
            <Button
              pressed={criticalOnly}
              title="Show only the critical path (c)"
              data-testid="trace-critical"
              onClick={() => setCriticalOnly(!criticalOnly)}
            >
              Critical path only
            </Button>
            <Button
              icon="error"
              title="Next span with an error (e)"
              reason={model.errors === 0 ? "No span of this trace failed" : null}
              data-testid="trace-next-error"
              onClick={nextError}
            >
              Next error
            </Button>
            <Find label="Find in spans" placeholder="Find in spans" value={find} width={190} data-testid="trace-find" onChange={setFind} />
          </div>
        </div>
        <p className="sr" role="status">
          {found === null ? "" : `${found} ${found === 1 ? "span matches" : "spans match"}`}
        </p>
      </section>
      {model.missingParents > 0 && (
        <div className="banner" role="status" data-testid="trace-incomplete">
          <div>
            <b>This trace is not complete.</b> {model.missingParents}{" "}
            {model.missingParents === 1 ? "span names a parent that is" : "spans name a parent that is"} not stored here: not sent,
            not sampled, or not yet arrived.
          </div>
        </div>
      )}
      <div className={chosen ? "wfsplit" : "stack"}>
        <div className="stack">
          <section className="panel" aria-labelledby="waterfall-heading">
            <div className="panel-h">
              <h2 id="waterfall-heading">Waterfall</h2>
              <ul className="legend" style={{ marginLeft: "auto" }} aria-label="Services by own time">
                {model.byOwnTime.slice(0, 5).map((service) => (
                  <li key={service}>
                    <ServiceTag service={service} />
                  </li>
                ))}
                <li>
                  <svg width="18" height="8" aria-hidden="true">
                    <rect className="crit" y="3" width="18" height="2.5" />
                  </svg>
                  critical path
                </li>
              </ul>
            </div>
            <Minimap model={model} value={shown} onChange={setShown} />
            {criticalOnly && visible.length < model.rows.length && (
              <p className="muted" style={{ padding: "6px 14px", fontSize: "var(--fs-2)" }}>
                {visible.length} of {model.rows.length} spans are on the critical path.
              </p>
            )}
            <Waterfall
              ref={waterfall}
              model={model}
              visible={visible}
              selected={selected}
              collapsed={collapsed}
              matches={found === null ? null : matches}
              window={shown}
              onSelect={select}
              onCollapse={setCollapsed}
            />
          </section>
          <TraceLogs id={id} logs={logs.data?.items} error={logs.error} zone={zone} startMs={startMs} onSpan={(span) => {
            const index = model.rows.findIndex((row) => row.span.content.span_id === span);
            if (index >= 0) reveal(index);
          }} />
        </div>
        {chosen && (
          <SpanInspector row={chosen} model={model} logs={logs.data?.items ?? []} traceId={id} onClose={() => select(null)} />
        )}
      </div>
    </Page>
  );
}

function Facts({ model, startMs, zone }: { model: TraceModel; startMs: number; zone: Zone }) {
  const today = day(Date.now(), zone) === day(startMs, zone);
  return (
    <dl className="facts">
      <div>
        <dt>Duration</dt>
        <dd>{duration(model.durationNs)}</dd>
      </div>
      {model.busiest && (
        <div>
          <dt>Most of the critical path</dt>
          <dd>
            <ServiceTag service={model.busiest.service} />{" "}
            <span className="muted" style={{ fontWeight: 500 }}>
              {Math.round(model.busiest.share * 100)} %
            </span>
          </dd>
        </div>
      )}
      <div>
        <dt>Spans</dt>
        <dd>{model.rows.length.toLocaleString("en")}</dd>
      </div>
      <div>
        <dt>Services</dt>
        <dd>{model.services.length}</dd>
      </div>
      <div>
        <dt>Errors</dt>
        <dd>{model.errors > 0 ? <span style={{ color: "var(--error)" }}>{model.errors}</span> : 0}</dd>
      </div>
      <div>
        <dt>Started</dt>
        <dd>
          {today ? "" : `${day(startMs, zone)} `}
          {clockMillis(startMs, zone)} {zoneName(zone, startMs)}
        </dd>
      </div>
    </dl>
  );
}

/** Rows whose service, name or an attribute contains the text. */
function matching(model: TraceModel, find: string): ReadonlySet<number> {
  const wanted = find.trim().toLowerCase();
  if (wanted === "") return new Set();
  return new Set(
    model.rows.flatMap(({ span }, index) => {
      const { name, span_id, status_message, attributes } = span.content;
      const texts = [span.service, name, span_id, status_message ?? "", ...Object.entries(attributes).map(([key, value]) => `${key}=${String(value)}`)];
      return texts.some((text) => text.toLowerCase().includes(wanted)) ? [index] : [];
    }),
  );
}
