/** Where to go on from an alert: what the rule says, the errors of the service, other alerts, the runbook. */
import { useQuery } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { Link } from "react-router";

import { useAlerts } from "../../alerts/queries";
import { safeLink } from "../../alerts/words";
import { api } from "../../app/api";
import { Moment, useZone } from "../../app/Moment";
import { useCan } from "../../app/session";
import { Icon, type IconName } from "../../components";
import { writeState } from "../../search/state";
import { clock } from "../../time/clock";
import { fixed } from "../../time/range";
import type { Aggregate, Alert, Filter, SearchResult } from "../../types";
import { windowOf } from "./AlertChart";

function Row({ icon, children }: { icon: IconName; children: ReactNode }) {
  return (
    <li className="link-row" style={{ gridTemplateColumns: "auto 1fr" }}>
      <span className="muted" style={{ display: "inline-flex" }}><Icon name={icon} small /></span>
      <span>{children}</span>
    </li>
  );
}

export function LookAt({ alert }: { alert: Alert }) {
  const zone = useZone();
  const searches = useCan("search:read");
  const [now] = useState(() => Date.now());
  const span = windowOf(alert, now);
  const range = fixed(span);
  const service: Filter[] = alert.service ? [{ field: "service", operator: "equals", value: alert.service }] : [];
  const severe: Filter = { field: "severity", operator: "range", value: [17, 24] };
  const failing: Filter = { field: "status", operator: "equals", value: 2 };
  const enabled = searches && alert.service !== null;
  const logs = useQuery({
    queryKey: ["search", "look-at", "logs", alert.service, span.from, span.to],
    queryFn: ({ signal }) => api.post<Aggregate>("/search/aggregate", { type: "logs", time_range: range, filters: [...service, severe], buckets: 1 }, { signal }),
    enabled, retry: false,
  });
  const traces = useQuery({
    queryKey: ["search", "look-at", "traces", alert.service, span.from, span.to],
    queryFn: ({ signal }) => api.post<SearchResult>("/search", { type: "traces", time_range: range, filters: [...service, failing], limit: 50 }, { signal }),
    enabled, retry: false,
  });
  const others = useAlerts({ service: alert.service ?? undefined, sort: "-starts_at" }, alert.service !== null);
  const search = (type: "logs" | "traces", filters: Filter[]) =>
    `/search?${writeState({ text: "", filters, type, range, selection: null, open: null, live: false })}`;
  const slowest = traces.data?.items.filter((item) => item.source === "traces" && item.trace_id !== null)
    .reduce<{ id: string; ns: number } | null>((best, item) => (item.source === "traces" && item.trace_id && (best === null || item.content.duration_ns > best.ns)
      ? { id: item.trace_id, ns: item.content.duration_ns } : best), null);
  const other = others.data?.pages[0]?.items.filter((each) => each.id !== alert.id && each.status !== "resolved").slice(0, 3) ?? [];
  const runbook = safeLink(alert.annotations["runbook_url"] ?? alert.annotations["runbook"]);
  const dashboard = safeLink(alert.annotations["dashboard_url"] ?? alert.annotations["dashboard"]);
  const source = safeLink(alert.generator_url);
  const text = alert.annotations["description"] ?? alert.annotations["summary"] ?? alert.annotations["message"];
  return (
    <section className="panel" aria-labelledby="alert-look">
      <div className="panel-h"><h2 id="alert-look">What to look at</h2></div>
      <div className="panel-b">
        <p style={{ color: "var(--text-2)" }}>{text ?? "The rule gives no description."}</p>
        <ul style={{ marginTop: 8 }}>
          {slowest && <Row icon="trace"><Link to={`/traces/${slowest.id}`} data-testid="alert-look-trace">Slowest failing trace, {(slowest.ns / 1e9).toFixed(2)} s</Link></Row>}
          {enabled && <Row icon="logs"><Link to={search("logs", [...service, severe])} data-testid="alert-look-logs">{logs.data ? `${logs.data.total.toLocaleString("en")} error logs` : "Error logs"} since {clock(span.from, zone)}</Link></Row>}
          {enabled && !slowest && <Row icon="trace"><Link to={search("traces", [...service, failing])}>Failing traces of {alert.service}</Link></Row>}
          {other.map((each) => <Row key={each.id} icon="bell"><Link to={`/alerts/${each.id}`}>{each.title}, <Moment at={each.starts_at} /></Link></Row>)}
          {runbook && <Row icon="link"><a href={runbook} rel="noreferrer noopener" target="_blank">Runbook</a></Row>}
          {dashboard && <Row icon="link"><a href={dashboard} rel="noreferrer noopener" target="_blank">Dashboard</a></Row>}
          {source && <Row icon="metrics"><a href={source} rel="noreferrer noopener" target="_blank">The rule at its source</a></Row>}
        </ul>
      </div>
    </section>
  );
}
