/** Below the chart: where the query is heading, and what else there is to ask. */
import { useMemo, useState } from "react";

import { isStatus } from "../../app/errors";
import { explain } from "../../app/Failure";
import { useZone } from "../../app/Moment";
import { useCan } from "../../app/session";
import { LineChart, type Series } from "../../charts";
import { Badge, EmptyState, Find, Icon, SkeletonBlock } from "../../components";
import { formatValue, type Unit } from "../../format/quantity";
import { useTrend, type Window } from "../../metrics/queries";
import { Unsupported } from "./Chart";

interface TrendProps {
  /** null while it is not known how many series the query has. */
  expression: string | null;
  how: string;
  window: Window;
  unit: Unit;
  cursor: number | null;
  onCursor: (t: number | null) => void;
  onEdit: () => void;
}

export function TrendPanel({ expression, how, window, unit, cursor, onCursor, onEdit }: TrendProps) {
  const zone = useZone();
  const allowed = useCan("insights:read");
  const trend = useTrend(expression ?? "", window, allowed && expression !== null);
  const drawn = useMemo(() => {
    if (!trend.data) return null;
    const ms = ([t, value]: [number, number]) => [t * 1000, value] as const;
    const series: Series[] = [
      { id: "points", label: "measured", colour: "var(--s1)", points: trend.data.points.map(ms) },
      { id: "forecast", label: "forecast", colour: "var(--s2)", points: trend.data.forecast.map(ms) },
    ];
    const end = Math.max(window.to, ...trend.data.forecast.map(([t]) => t * 1000));
    return { series, range: { from: window.from, to: end } };
  }, [trend.data, window.from, window.to]);
  if (!allowed) return null;
  const slope = trend.data?.trend;
  return (
    <section className="panel" aria-labelledby="metric-trend">
      <div className="panel-h">
        <h2 id="metric-trend">Trend and forecast</h2>
        {slope && slope.slope_per_h !== null && (
          <div className="right">
            <span className="num">{slope.slope_per_h < 0 ? "" : "+"}{formatValue(slope.slope_per_h, unit)} per hour</span>
            <Badge kind={slope.direction === "flat" ? "neutral" : "info"}>{slope.direction}</Badge>
          </div>
        )}
      </div>
      {trend.isPending && <div className="panel-b" style={{ minHeight: 170 }}><SkeletonBlock /></div>}
      {trend.error && (isStatus(trend.error, 501) ? <Unsupported error={trend.error} onEdit={onEdit} />
        : <EmptyState level={3} title={explain(trend.error).title}><p>{explain(trend.error).text}</p></EmptyState>)}
      {!trend.error && drawn && (drawn.series[0]?.points.length === 0
        ? <EmptyState level={3} title="Too little data for a trend"><p>It takes a few points of one series.</p></EmptyState>
        : (
          <div className="panel-b" style={{ padding: "16px 16px 8px 8px" }}>
            <LineChart label="Trend and forecast" series={drawn.series} range={drawn.range} step_ms={0} unit={unit} zone={zone} height={150} area loading={trend.isPlaceholderData}
              markers={[{ t: window.to, label: "now" }]} cursor={cursor} onCursor={onCursor} />
            <p className="muted" style={{ padding: "8px 0 0 8px", fontSize: "var(--fs-2)" }}>Straight line through {how}, fit r² {slope?.r2?.toFixed(2) ?? "–"}.</p>
          </div>
        ))}
    </section>
  );
}

export function MetricList({ names, current, pending, onPick }: { names: readonly string[]; current: string; pending: boolean; onPick: (name: string) => void }) {
  const [text, setText] = useState("");
  const found = names.filter((name) => name.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <section className="panel" aria-labelledby="metric-list">
      <div className="panel-h">
        <h2 id="metric-list">Metrics</h2><span className="muted num">{names.length.toLocaleString("en")}</span>
        <div className="right"><Find label="Find metrics" placeholder="Find by name" value={text} onChange={setText} width={180} data-testid="metric-find" /></div>
      </div>
      <div className="metric-names" tabIndex={0} role="region" aria-label="Names of metrics">
        {pending && <div className="panel-b"><SkeletonBlock /></div>}
        {!pending && found.length === 0 && <p className="muted" style={{ padding: 14 }}>{names.length === 0 ? "This tenant has sent no metric yet." : "No name contains that."}</p>}
        <ul data-testid="metric-names">
          {found.slice(0, 300).map((name) => (
            <li key={name}><button type="button" aria-current={name === current ? "true" : undefined} onClick={() => onPick(name)} data-testid="metric-pick" data-id={name}><Icon name="metrics" small /><span className="trunc">{name}</span></button></li>
          ))}
        </ul>
      </div>
    </section>
  );
}
