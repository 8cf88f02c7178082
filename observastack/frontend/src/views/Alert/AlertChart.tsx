/** The picture of an alert: its own query with the threshold, or the errors of its service when no query is known. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "react-router";

import { expressionOf } from "../../alerts/words";
import { api } from "../../app/api";
import { isStatus } from "../../app/errors";
import { sentence } from "../../app/Failure";
import { useZone } from "../../app/Moment";
import { fromWire, LineChart, queryStep, type Series } from "../../charts";
import { EmptyState, SkeletonBlock } from "../../components";
import { formatRound, unitOfMetric } from "../../format/quantity";
import { splitThreshold, tokens } from "../../metrics/promql";
import { aligned, useRangeQuery } from "../../metrics/queries";
import { clockSeconds } from "../../time/clock";
import { fixed } from "../../time/range";
import type { Aggregate, Alert } from "../../types";

const MINUTE = 60_000;

/** From well before it fired until it ended, or now; an hour at least, six at most. */
export function windowOf(alert: Pick<Alert, "starts_at" | "ends_at" | "resolved_at" | "status">, now: number): { from: number; to: number } {
  const start = Date.parse(alert.starts_at);
  const end = alert.status === "resolved" ? Date.parse(alert.resolved_at ?? alert.ends_at ?? alert.starts_at) : now;
  const from = start - 30 * MINUTE;
  return { from, to: Math.max(from + 30 * MINUTE, Math.min(now, end + 15 * MINUTE, from + 360 * MINUTE)) };
}

export function Query({ expression }: { expression: string }) {
  const colours = { plain: undefined, word: "var(--accent)", number: "var(--warn)", text: "var(--ok)" };
  return (
    <code style={{ fontSize: "var(--fs-2)", overflowWrap: "anywhere" }}>
      {tokens(expression).map((token, index) => <span key={index} style={{ color: colours[token.kind] }}>{token.text}</span>)}
    </code>
  );
}

function unitFor(expression: string) {
  const name = /[a-zA-Z_:][a-zA-Z0-9_:]*_(?:seconds|bytes|ratio|percent|total)(?:_bucket)?/.exec(expression)?.[0] ?? "";
  return expression.includes("/") && /_total/.test(expression) ? "ratio" as const : unitOfMetric(name, /\brate\(/.test(expression));
}

export function AlertChart({ alert }: { alert: Alert }) {
  const zone = useZone();
  const [cursor, setCursor] = useState<number | null>(null);
  const [now] = useState(() => Date.now());
  const expression = expressionOf(alert);
  const { expression: drawn, threshold } = splitThreshold(expression ?? "");
  const span = useMemo(() => windowOf(alert, now), [alert, now]);
  const window = useMemo(() => aligned(span.from, span.to, queryStep((span.to - span.from) / 1000, 700)), [span]);
  const answer = useRangeQuery(drawn, window, expression !== null);
  const errors = useErrors(alert, span, expression === null);
  const marker = [{ t: Date.parse(alert.starts_at), label: `fired ${clockSeconds(Date.parse(alert.starts_at), zone)}`, tone: "error" as const }];
  const unit = expression === null ? "count" as const : unitFor(drawn);
  const series = expression === null ? errors.data ?? [] : answer.data ?? [];
  const pending = expression === null ? errors.isPending && errors.fetchStatus !== "idle" : answer.isPending;
  const error = expression === null ? errors.error : answer.error;
  const name = expression === null ? `Error logs${alert.service ? `, ${alert.service}` : ""}` : `${alert.labels["alertname"] ?? "Query"}${alert.service ? `, ${alert.service}` : ""}`;
  const range = { from: window.from, to: window.to };
  const address = new URLSearchParams({ expr: drawn, ...fixed(span) });
  return (
    <section className="panel" aria-labelledby="alert-chart">
      <div className="panel-h">
        <h2 id="alert-chart" className="trunc">{name}</h2>
        {expression !== null && <div className="right"><Link to={`/metrics?${address}`} data-testid="alert-open-metrics">Open in Metrics</Link></div>}
      </div>
      {pending && <div className="panel-b" style={{ minHeight: 210 }}><SkeletonBlock /></div>}
      {!pending && error && (
        <EmptyState level={3} icon="info" title={isStatus(error, 501) ? "This store cannot evaluate the query" : "The chart is not available"}>
          <p>{sentence(error.message)}</p>
        </EmptyState>
      )}
      {!pending && !error && (series.length === 0
        ? <EmptyState level={3} title="No data around this alert"><p>The store has no points for this query between its start and its end.</p></EmptyState>
        : (
          <div className="panel-b" style={{ padding: "18px 16px 8px 8px" }}>
            <LineChart label={name} series={series} range={range} step_ms={expression === null ? 0 : window.step_s * 1000} unit={unit} zone={zone} height={180} area
              threshold={threshold === null ? null : { value: threshold, label: `threshold ${formatRound(threshold, unit)}` }}
              markers={marker} cursor={cursor} onCursor={setCursor} data-testid="alert-chart" />
          </div>
        ))}
      {expression !== null && <div className="panel-b" style={{ borderTop: "1px solid var(--border-soft)" }}><Query expression={expression} /></div>}
    </section>
  );
}

function useErrors(alert: Alert, span: { from: number; to: number }, enabled: boolean) {
  return useQuery({
    queryKey: ["search", "aggregate", "alert", alert.service, span.from, span.to],
    queryFn: async ({ signal }): Promise<Series[]> => {
      const answer = await api.post<Aggregate>("/search/aggregate", {
        type: "logs", time_range: fixed(span), buckets: 60,
        filters: alert.service ? [{ field: "service", operator: "equals", value: alert.service }] : [],
      }, { signal });
      const points = fromWire(answer.buckets).map(({ t, counts }) => [t, (counts["error"] ?? 0) + (counts["fatal"] ?? 0)] as const);
      return answer.total === 0 ? [] : [{ id: "errors", label: "error and fatal", colour: "var(--fill-error)", points }];
    },
    enabled,
    retry: false,
  });
}
