/** What belongs to a line: its trace, logs of the same trace (proof), logs of the same service nearby (maybe). */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";

import { api, isStatus } from "../../app/api";
import { Badge, Icon, serviceColour, SevText, Skeleton } from "../../components";
import { idOf, lineOf } from "../../search/display";
import { duration, type Zone } from "../../time/clock";
import { traceModel } from "../../trace/model";
import type { Correlation, Item, Trace } from "../../types";
import { tracePath } from "./ResultRow";

const WINDOW_S = 120;
const SHOWN = 5;

export function Related({ item }: { item: Item; zone: Zone }) {
  return (
    <div className="stack" style={{ gap: 16 }}>
      {item.trace_id && <RelatedTrace item={item} traceId={item.trace_id} />}
      <RelatedLogs item={item} />
    </div>
  );
}

export function useTrace(traceId: string) {
  return useQuery({
    queryKey: ["trace", traceId],
    queryFn: ({ signal }) => api.get<Trace>(`/traces/${encodeURIComponent(traceId)}`, {}, { signal }),
    staleTime: 60_000,
    retry: false,
  });
}

function RelatedTrace({ item, traceId }: { item: Item; traceId: string }) {
  const trace = useTrace(traceId);
  const model = trace.data && trace.data.spans.length > 0 ? traceModel(trace.data.spans) : null;
  const root = model?.rows[0]?.span;
  return (
    <section aria-label="Related trace">
      <div className="flex between" style={{ minHeight: 26 }}>
        <h3>Related trace</h3>
        <Link className="btn sm" to={tracePath(item)} data-testid="related-trace-open">
          <Icon name="trace" small />
          Open trace
        </Link>
      </div>
      {model && root && (
        <>
          <p style={{ margin: "2px 0 6px", fontSize: "var(--fs-2)", color: "var(--text-2)" }}>
            {root.content.name} · <span className="num">{duration(model.durationNs)}</span> ·{" "}
            {model.rows.length.toLocaleString("en")} {model.rows.length === 1 ? "span" : "spans"}
            {model.errors > 0 && (
              <>
                {" · "}
                <Badge kind="error">
                  {model.errors} {model.errors === 1 ? "error" : "errors"}
                </Badge>
              </>
            )}
          </p>
          <svg
            width="100%"
            height="52"
            role="img"
            aria-label={`Shape of the trace: most of the time is spent in ${model.busiest?.service ?? root.service}`}
            style={{ display: "block", background: "var(--sunken)", borderRadius: 5 }}
          >
            {model.rows.slice(0, 60).map(({ span, start, length }, index, rows) => (
              <rect
                key={span.content.span_id}
                x={`${2 + start * 96}%`}
                width={`${Math.max(0.4, length * 96)}%`}
                y={5 + (index * 42) / Math.max(8, rows.length)}
                height={Math.min(3.5, 36 / rows.length)}
                rx="1"
                fill={serviceColour(span.service)}
              />
            ))}
          </svg>
        </>
      )}
      {trace.isPending && <Skeleton height={52} />}
      {trace.error && (
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
          {isStatus(trace.error, 404) ? "No span of this trace is stored here." : "The trace store did not answer."}
        </p>
      )}
    </section>
  );
}

function RelatedLogs({ item }: { item: Item }) {
  const correlation = useQuery({
    queryKey: ["correlate", idOf(item)],
    queryFn: ({ signal }) =>
      api.post<Correlation>(
        "/search/correlate",
        {
          source: item.source,
          item_id: item.id,
          service: item.service,
          timestamp: item.timestamp,
          window_s: WINDOW_S,
          limit: 100,
          ...(item.trace_id ? { trace_id: item.trace_id } : {}),
        },
        { signal },
      ),
    staleTime: 60_000,
    retry: false,
  });
  if (correlation.isPending) return <Skeleton height={60} />;
  if (correlation.error) {
    return (
      <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
        What belongs to this line is not known: the sources did not answer.
      </p>
    );
  }
  const related = relatedLogs(correlation.data, item);
  const proven = related.filter(({ kind }) => kind === "trace_id").length;
  return (
    <section aria-label="Related logs">
      <div className="flex between">
        <h3>Related logs</h3>
        {item.trace_id && proven > 0 && (
          <Link to={logsOfTrace(item.trace_id, item)} style={{ fontSize: "var(--fs-2)" }} data-testid="related-logs-all">
            Show all {proven}
          </Link>
        )}
      </div>
      {related.length === 0 ? (
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
          No other line is known to belong to this one{correlation.data.partial ? ", but not every source answered" : ""}.
        </p>
      ) : (
        <>
          <ul>
            {related.slice(0, SHOWN).map(({ item: one, kind }) => {
              const line = lineOf(one);
              return (
                <li className="link-row" key={idOf(one)}>
                  <SevText severity={line.word} />
                  <span className="trunc mono" title={line.text}>
                    {line.text}
                  </span>
                  {kind === "trace_id" ? <Badge kind="accent">same trace</Badge> : <Badge kind="line">± {WINDOW_S / 60} min</Badge>}
                </li>
              );
            })}
          </ul>
          <p className="muted" style={{ fontSize: "var(--fs-2)", marginTop: 4 }}>
            “Same trace” is proof. “± {WINDOW_S / 60} min” is the same service at about the same time, which may be chance.
          </p>
        </>
      )}
    </section>
  );
}

/** Logs of the answer without the line itself; proof before maybe, then the worst first. */
export function relatedLogs(correlation: Correlation, item: Item): { item: Item; kind: "trace_id" | "service_window" }[] {
  const kinds = new Map<string, "trace_id" | "service_window">();
  for (const { from, to, kind } of correlation.links) {
    for (const end of [from, to]) if (kinds.get(end) !== "trace_id") kinds.set(end, kind);
  }
  return correlation.items
    .filter((one) => one.source === "logs" && idOf(one) !== idOf(item))
    .map((one) => ({ item: one, kind: kinds.get(idOf(one)) ?? (one.trace_id !== null && one.trace_id === item.trace_id ? "trace_id" as const : "service_window" as const) }))
    .sort((one, other) => rank(one) - rank(other));
}

function rank({ item, kind }: { item: Item; kind: string }): number {
  return (kind === "trace_id" ? 0 : 100) - (item.source === "logs" ? item.content.severity_number : 0);
}

/** The search for all logs of a trace, an hour around the line. */
export function logsOfTrace(traceId: string, item: Pick<Item, "time_unix_nano">): string {
  const at = Number(BigInt(item.time_unix_nano) / 1_000_000n);
  const [from, to] = [at - 3_600_000, at + 3_600_000].map((ms) => new Date(ms).toISOString());
  return `/search?f=trace_id=${traceId}&type=logs&from=${from ?? ""}&to=${to ?? ""}`;
}
