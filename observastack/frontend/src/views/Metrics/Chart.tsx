/** The answer of the query: lines, their numbers, and what the store could not do. */
import { useMemo, useState } from "react";

import { useAlerts } from "../../alerts/queries";
import { isStatus } from "../../app/errors";
import { explain, sentence } from "../../app/Failure";
import { useZone } from "../../app/Moment";
import { useCan, useCapabilities, useMe } from "../../app/session";
import { LineChart, MOST_SERIES, SeriesTable, type Marker, type Series } from "../../charts";
import { Button, ButtonGroup, copyText, EmptyState, Menu, saveCsv, SkeletonBlock, useToast } from "../../components";
import { formatDuration } from "../../format/duration";
import { formatRound, type Unit } from "../../format/quantity";
import { ruleText } from "../../metrics/rule";
import type { Window } from "../../metrics/queries";
import { clockSeconds } from "../../time/clock";
import { ThresholdDialog, RuleDialog } from "./Dialogs";

interface Props {
  title: string;
  expression: string;
  window: Window;
  unit: Unit;
  series: readonly Series[] | undefined;
  pending: boolean;
  stale: boolean;
  error: Error | null;
  threshold: number | null;
  onThreshold: (value: number | null) => void;
  onEdit: () => void;
  onRetry: () => void;
  cursor: number | null;
  onCursor: (t: number | null) => void;
}

/** Alerts of the range as marks on the chart, at most three: more would be a fence. */
function useMarkers({ from, to }: Window): Marker[] {
  const zone = useZone();
  const tenant = useMe().tenant_id;
  const allowed = useCan("alerts:read");
  const alerts = useAlerts({ sort: "-starts_at" }, allowed && tenant !== null);
  return useMemo(() => (alerts.data?.pages[0]?.items ?? [])
    .map((alert) => ({ t: Date.parse(alert.starts_at), title: alert.title }))
    .filter(({ t }) => t >= from && t <= to)
    .slice(0, 3)
    .map(({ t, title }) => ({ t, label: title.length > 28 ? `alert ${clockSeconds(t, zone)}` : title, tone: "error" as const })), [alerts.data, from, to, zone]);
}

export function Unsupported({ error, onEdit }: { error: Error; onEdit: () => void }) {
  const known = useCapabilities()?.promql;
  return (
    <EmptyState level={3} icon="info" title="This store cannot evaluate the query" data-testid="metric-unsupported" actions={<Button size="sm" onClick={onEdit}>Edit query</Button>}>
      <p>{sentence(error.message)} It answers 501 rather than guess.</p>
      {known && <p className="muted">Supported: {[...known.functions, ...known.aggregations].join(", ")}.</p>}
    </EmptyState>
  );
}

function csv(series: readonly Series[]): string {
  const cell = (text: string) => (/[",\n]/.test(text) || /^[=+@-]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  return ["series,time,value", ...series.flatMap(({ label, points }) => points.map(([t, value]) => `${cell(label)},${new Date(t).toISOString()},${value ?? ""}`))].join("\n");
}

export function Chart(props: Props) {
  const { title, expression, window, unit, series = [], pending, stale, error, threshold, onThreshold, onEdit, onRetry, cursor, onCursor } = props;
  const zone = useZone();
  const toast = useToast();
  const [stacked, setStacked] = useState(false);
  const [dialog, setDialog] = useState<"threshold" | "rule" | null>(null);
  // What somebody switched on or off; anything else follows the rule of the first eight.
  const [chosen, setChosen] = useState<ReadonlyMap<string, boolean>>(new Map());
  const markers = useMarkers(window);
  const shown = useMemo(() => new Set(series.filter((each, index) => chosen.get(each.id) ?? index < MOST_SERIES).map((each) => each.id)), [series, chosen]);
  const drawn = useMemo(() => series.filter((each) => shown.has(each.id)), [series, shown]);
  const points = Math.max(0, ...series.map((each) => each.points.length));
  const toggle = (id: string) => {
    if (!shown.has(id) && shown.size >= MOST_SERIES) return toast({ tone: "info", title: `At most ${MOST_SERIES} lines`, text: "Take one out first; the table keeps all series." });
    setChosen(new Map(chosen).set(id, !shown.has(id)));
  };
  const download = () => saveCsv(csv(series), "metrics.csv");
  const unreadable = isStatus(error, 400, 422);
  return (
    <section className="panel" aria-labelledby="metric-heading">
      <div className="panel-h">
        <h2 id="metric-heading" className="trunc">{title}</h2>
        {series.length > 0 && !error && <span className="muted num hide-s">step {formatDuration(window.step_s)}, {points.toLocaleString("en")} points per series</span>}
        <div className="right">
          <ButtonGroup label="Chart style">
            <Button size="sm" pressed={!stacked} onClick={() => setStacked(false)} data-testid="metric-lines">Lines</Button>
            <Button size="sm" pressed={stacked} onClick={() => setStacked(true)} data-testid="metric-stacked">Stacked</Button>
          </ButtonGroup>
          <Button size="sm" icon="bell" className="hide-s" onClick={() => setDialog("rule")} data-testid="metric-alert">Alert rule</Button>
          <Menu label="More chart actions" trigger={{ variant: "ghost", size: "sm", icon: "more", className: "icon", "data-testid": "metric-more" }} items={[
            { id: "threshold", label: threshold === null ? "Draw a threshold" : "Change the threshold", icon: "minus", onSelect: () => setDialog("threshold") },
            { id: "rule", label: "Alert rule", icon: "bell", onSelect: () => setDialog("rule") },
            { id: "copy", label: "Copy query", icon: "copy", onSelect: () => void copyText(expression).then(() => toast({ tone: "ok", title: "Query copied" })) },
            { id: "csv", label: "Download as CSV", icon: "download", reason: series.length === 0 ? "There is nothing to download" : null, onSelect: download },
          ]} />
        </div>
      </div>
      {pending && <div className="panel-b" style={{ minHeight: 330 }}><SkeletonBlock lines={6} label="Asking the metric store" /></div>}
      {!pending && error && (isStatus(error, 501) ? <Unsupported error={error} onEdit={onEdit} /> : (
        <EmptyState level={3} icon={unreadable ? "error" : "warning"} title={unreadable ? "This query cannot be read" : explain(error).title} data-testid={unreadable ? "metric-invalid" : "metric-failed"}
          actions={unreadable ? <Button size="sm" onClick={onEdit}>Edit query</Button> : <Button size="sm" icon="refresh" onClick={onRetry}>Try again</Button>}>
          <p>{unreadable ? sentence(error.message) : explain(error).text}</p>
        </EmptyState>
      ))}
      {!pending && !error && series.length === 0 && (
        <EmptyState level={3} title="No data in this range" data-testid="metric-empty"><p>The store answered and has no point for this query, so this is a true nothing. Try a longer range or fewer label filters.</p></EmptyState>
      )}
      {!pending && !error && series.length > 0 && (
        <>
          <div className="panel-b" style={{ padding: "20px 16px 10px 8px" }}>
            <LineChart label={title} series={drawn} range={window} step_ms={window.step_s * 1000} unit={unit} zone={zone} stacked={stacked} area={!stacked} markers={markers} loading={stale}
              threshold={threshold === null ? null : { value: threshold, label: `threshold ${formatRound(threshold, unit)}` }} cursor={cursor} onCursor={onCursor} data-testid="metric-chart" />
          </div>
          <SeriesTable series={series} shown={shown} onToggle={toggle} unit={unit} threshold={threshold} />
        </>
      )}
      <ThresholdDialog open={dialog === "threshold"} value={threshold} onClose={() => setDialog(null)} onChange={onThreshold} />
      <RuleDialog open={dialog === "rule"} text={ruleText(expression, threshold)} onClose={() => setDialog(null)} />
    </section>
  );
}
