/** The panels of the insights: use, cost, anomalies. */
import { useMemo, useState } from "react";
import { Link } from "react-router";

import { Moment, useZone } from "../../app/Moment";
import { LineChart, Sparkline } from "../../charts";
import { Badge, DataTable, Dialog, EmptyState, Meter, SegBar, Select, serviceColour, ServiceTag, type Column, type Sort } from "../../components";
import { formatDuration } from "../../format/duration";
import { formatBytes, formatChange, formatCount, formatMoney, formatPercent, formatSeconds } from "../../format/quantity";
import { writeState } from "../../search/state";
import { fixed } from "../../time/range";
import type { Anomalies, CostBreakdown, Utilisation } from "../../types";
import { changeTone, severityOf, sigmas, signalValue } from "./words";

type Use = Utilisation;
type Cost = CostBreakdown["items"][number];
type Anomaly = Anomalies["items"][number];

function by<Row>(rows: readonly Row[], value: (row: Row) => number | string | null, descending: boolean): Row[] {
  const sign = descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    return typeof x === "string" || typeof y === "string" ? sign * String(x).localeCompare(String(y)) : sign * (x - y);
  });
}

function UseMeter({ service, what, used, requested, colour }: { service: string; what: string; used: number | null; requested: number | null; colour: string }) {
  const label = `${service} ${what}: ${used === null ? "no data" : `${Math.round(used)} percent used`}${requested === null ? "" : `, ${Math.round(requested)} percent requested`}`;
  return <Meter value={used} mark={requested} colour={used !== null && used >= 85 ? "var(--fill-error)" : colour} label={label} />;
}

/** `full`: with requests, errors and latency, for the tab; without, the two meters of the overview. */
export function UtilisationPanel({ items, loading, stale, full }: { items: readonly Use[]; loading: boolean; stale: boolean; full: boolean }) {
  const [sort, setSort] = useState<Sort>({ column: "cpu", descending: true });
  const values: Record<string, (row: Use) => number | string | null> = {
    service: (row) => row.service, cpu: (row) => row.cpu.used_pct, memory: (row) => row.memory.used_pct,
    requests: (row) => row.requests_per_s, errors: (row) => row.error_pct, p95: (row) => row.p95_ms,
  };
  const rows = by(items, values[sort.column] ?? (() => null), sort.descending);
  const columns: Column<Use>[] = [
    { id: "service", header: "Service", sortable: "ascending", cell: (row) => <ServiceTag service={row.service} /> },
    { id: "cpu", header: "CPU, of limit", width: full ? "22%" : "34%", sortable: "descending", cell: (row) => <UseMeter service={row.service} what="CPU" used={row.cpu.used_pct} requested={row.cpu.requested_pct} colour="var(--s1)" /> },
    { id: "memory", header: "Memory, of limit", width: full ? "22%" : "34%", sortable: "descending", cell: (row) => <UseMeter service={row.service} what="memory" used={row.memory.used_pct} requested={row.memory.requested_pct} colour="var(--s7)" /> },
    ...(full ? [
      { id: "requests", header: "Requests", right: true, sortable: "descending" as const, cell: (row: Use) => row.requests_per_s === null ? "–" : `${formatCount(row.requests_per_s)} /s` },
      { id: "errors", header: "Errors", right: true, sortable: "descending" as const, cell: (row: Use) => <span className={row.error_pct !== null && row.error_pct >= 5 ? "over" : undefined}>{formatPercent(row.error_pct)}</span> },
      { id: "p95", header: "p95", right: true, sortable: "descending" as const, cell: (row: Use) => formatSeconds(row.p95_ms === null ? null : row.p95_ms / 1000) },
    ] : []),
  ];
  return (
    <section className="panel" aria-labelledby="insights-use">
      <div className="panel-h">
        <h2 id="insights-use">Resource utilisation</h2>
        <ul className="legend" style={{ marginLeft: "auto" }}>
          <li><i className="key" style={{ background: "var(--s1)" }} />used</li>
          <li><svg width="4" height="11" aria-hidden="true"><rect width="2" height="11" x="1" fill="var(--text)" /></svg>requested</li>
        </ul>
      </div>
      <DataTable caption="Resource utilisation" columns={columns} rows={full ? rows : rows.slice(0, 8)} rowId={(row) => row.service} sort={sort} onSort={setSort} loading={loading} stale={stale}
        data-testid="utilisation-table" rowTestId="utilisation-row"
        empty={<EmptyState level={3} title="No service in this range"><p>Services appear here as soon as they send metrics, logs or spans.</p></EmptyState>} />
    </section>
  );
}

export function CostPanel({ cost, loading, stale, words, full }: { cost: CostBreakdown | undefined; loading: boolean; stale: boolean; words: string; full: boolean }) {
  const [sort, setSort] = useState<Sort>({ column: "cost", descending: true });
  const items = useMemo(() => cost?.items ?? [], [cost]);
  const currency = cost?.currency ?? "USD";
  const values: Record<string, (row: Cost) => number | string | null> = {
    service: (row) => row.service, cost: (row) => row.cost, change: (row) => row.change_pct, bytes: (row) => row.bytes,
    logs: (row) => row.logs, spans: (row) => row.spans, samples: (row) => row.samples,
  };
  const rows = by(items, values[sort.column] ?? (() => null), sort.descending);
  const parts = by(items, (row) => row.cost, true);
  const top = parts.slice(0, 11);
  const rest = parts.slice(11).reduce((sum, row) => sum + row.share_pct, 0);
  const number = (id: string, header: string, cell: (row: Cost) => string): Column<Cost> => ({ id, header, right: true, sortable: "descending", cell });
  const columns: Column<Cost>[] = [
    { id: "service", header: "Service", sortable: "ascending", cell: (row) => <ServiceTag service={row.service} /> },
    number("cost", "Cost", (row) => formatMoney(row.cost, currency)),
    { id: "share", header: "Share", right: true, cell: (row) => formatPercent(row.share_pct) },
    { id: "change", header: "Change", right: true, sortable: "descending", cell: (row) => <span className={changeTone(row.change_pct)}>{formatChange(row.change_pct)}</span> },
    ...(full ? [number("bytes", "Stored", (row) => formatBytes(row.bytes)), number("logs", "Logs", (row) => formatCount(row.logs)), number("spans", "Spans", (row) => formatCount(row.spans)), number("samples", "Samples", (row) => formatCount(row.samples))] : []),
  ];
  return (
    <section className="panel" aria-labelledby="insights-cost">
      <div className="panel-h"><h2 id="insights-cost">Cost breakdown</h2><div className="right hide-s">by service, against the {words} before</div></div>
      {items.length > 0 && (
        <div className="panel-b" style={{ paddingBottom: 4 }}>
          <SegBar label={`Share of cost by service: ${top.map((row) => `${row.service} ${Math.round(row.share_pct)} percent`).join(", ")}`}
            segments={[...top.map((row) => ({ id: row.service, share: row.share_pct, colour: serviceColour(row.service), label: row.service })), { id: "…", share: rest, colour: "var(--fill-debug)", label: "others" }]} />
        </div>
      )}
      <DataTable caption="Cost by service" columns={columns} rows={full ? rows : rows.slice(0, 8)} rowId={(row) => row.service} sort={sort} onSort={setSort} loading={loading} stale={stale} data-testid="cost-table" rowTestId="cost-row"
        empty={<EmptyState level={3} title="Nothing was stored in this range"><p>Cost follows from what each service stored.</p></EmptyState>} />
      {full && cost && (
        <p className="muted" style={{ padding: "8px 14px 12px", fontSize: "var(--fs-2)" }}>
          Total {formatMoney(cost.total, currency)}. Model: {formatMoney(cost.model.per_gb_logs, currency)} per GB of logs, {formatMoney(cost.model.per_gb_traces, currency)} per GB of traces, {formatMoney(cost.model.per_million_samples, currency)} per million samples.
        </p>
      )}
    </section>
  );
}

function explore(anomaly: Anomaly): string {
  const times = anomaly.points.map(([t]) => t * 1000);
  const span = { from: Math.min(...times), to: Math.max(...times) };
  const range = times.length > 1 ? fixed(span) : { from: "now-1h", to: "now" };
  return `/search?${writeState({ text: "", filters: [{ field: "service", operator: "equals", value: anomaly.service }], type: "all", range, selection: null, open: null, live: false })}`;
}

function AnomalyDialog({ anomaly, onClose }: { anomaly: Anomaly | null; onClose: () => void }) {
  const zone = useZone();
  const [cursor, setCursor] = useState<number | null>(null);
  const drawn = useMemo(() => {
    if (!anomaly) return null;
    const ms = anomaly.points.map(([t, value]) => [t * 1000, value] as const);
    const times = [...ms.map(([t]) => t), ...anomaly.band.map(([t]) => t * 1000)];
    return {
      range: { from: Math.min(...times), to: Math.max(...times) },
      series: [
        { id: "now", label: "measured", colour: serviceColour(anomaly.service), points: ms },
        { id: "high", label: "expected, highest", colour: "var(--fill-debug)", points: anomaly.band.map(([t, , high]) => [t * 1000, high] as const) },
        { id: "low", label: "expected, lowest", colour: "var(--fill-debug)", points: anomaly.band.map(([t, low]) => [t * 1000, low] as const) },
      ],
    };
  }, [anomaly]);
  return (
    <Dialog open={anomaly !== null} wide onClose={onClose} title={anomaly ? `${anomaly.signal} of ${anomaly.service}` : ""} data-testid="anomaly-dialog"
      footer={anomaly && <Link className="btn primary" to={explore(anomaly)} data-testid="anomaly-explore">Explore in Search</Link>}>
      {anomaly && drawn && (
        <>
          <p>{signalValue(anomaly.now, anomaly.unit)} now, {signalValue(anomaly.expected, anomaly.unit)} expected: {sigmas(anomaly.deviation)} {anomaly.direction}. Since <Moment at={anomaly.since} />.</p>
          <LineChart label={`${anomaly.signal} of ${anomaly.service}`} series={drawn.series} range={drawn.range} unit={anomaly.unit === "ratio" ? "ratio" : anomaly.unit === "s" ? "s" : "none"} zone={zone} height={200} area cursor={cursor} onCursor={setCursor} />
        </>
      )}
    </Dialog>
  );
}

export const SENSITIVITIES = [
  { value: "2", label: "High, 2 σ" }, { value: "3", label: "Normal, 3 σ" }, { value: "4", label: "Low, 4 σ" }, { value: "6", label: "Lowest, 6 σ" },
];

export function AnomalyPanel({ anomalies, loading, stale, sigma, onSigma, full }: {
  anomalies: Anomalies | undefined; loading: boolean; stale: boolean; sigma: string; onSigma: (sigma: string) => void; full: boolean;
}) {
  const [shown, setShown] = useState<Anomaly | null>(null);
  const items = anomalies?.items ?? [];
  const baseline = anomalies ? `against ${anomalies.baseline.buckets} earlier windows of ${formatDuration(anomalies.baseline.step_s)}` : "";
  const minutes = items[0] && items[0].points.length > 1 ? Math.round(((items[0].points.at(-1)?.[0] ?? 0) - (items[0].points[0]?.[0] ?? 0)) / 60) : null;
  const columns: Column<Anomaly>[] = [
    { id: "service", header: "Service", cell: (row) => <ServiceTag service={row.service} /> },
    { id: "signal", header: "Signal", cell: (row) => <button type="button" className="linkish mono" onClick={() => setShown(row)} data-testid="anomaly-open">{row.signal}</button> },
    { id: "spark", header: minutes === null ? "Before" : minutes < 120 ? `Last ${minutes} min` : `Last ${Math.round(minutes / 60)} h`, cell: (row) => <Sparkline points={row.points} band={row.band} colour={serviceColour(row.service)} /> },
    { id: "now", header: "Now", right: true, cell: (row) => <b style={{ fontWeight: 600 }}>{signalValue(row.now, row.unit)}</b> },
    { id: "expected", header: "Expected", right: true, cell: (row) => <span className="muted">{signalValue(row.expected, row.unit)}</span> },
    { id: "deviation", header: "Deviation", right: true, cell: (row) => <Badge kind={severityOf(row.deviation)} title={row.direction}>{sigmas(row.deviation)}</Badge> },
    { id: "since", header: "Since", right: true, cell: (row) => <Moment at={row.since} /> },
    { id: "actions", header: "Actions", quiet: true, right: true, cell: (row) => <Link to={explore(row)}>Explore<span className="sr"> {row.signal} of {row.service}</span></Link> },
  ];
  return (
    <section className="panel" aria-labelledby="insights-anomalies">
      <div className="panel-h">
        <h2 id="insights-anomalies">Anomalies</h2><span className="muted hide-s">{baseline}</span>
        <div className="right">
          <label className="flex" style={{ gap: 6 }} htmlFor="sensitivity">Sensitivity</label>
          <Select id="sensitivity" fit value={sigma} choices={SENSITIVITIES} onChange={onSigma} data-testid="anomaly-sensitivity" />
        </div>
      </div>
      <DataTable caption="Anomalies, strongest first" columns={columns} rows={full ? items : items.slice(0, 5)} rowId={(row) => row.id} loading={loading} stale={stale} data-testid="anomaly-table" rowTestId="anomaly-row"
        empty={<EmptyState level={3} icon="check-circle" title="Nothing unusual"><p>No signal of this tenant left its band of {sigma} σ in this range.</p></EmptyState>} />
      <AnomalyDialog anomaly={shown} onClose={() => setShown(null)} />
    </section>
  );
}

