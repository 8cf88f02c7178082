/**
 * Lines over time: gaps stay gaps, at most 500 points per line with the extremes kept, one cursor for all charts of a page.
 *
 * The svg has a fixed view box that is stretched, with strokes that are not: no measuring, no resize observer.
 */
import { useMemo, useRef, type CSSProperties, type PointerEvent } from "react";
import { formatTicks, formatValue, type Unit } from "../format/quantity";
import type { Zone } from "../time/clock";
import { GridLines, TimeAxis, ValueAxis } from "./Axes";
import { decimate, nearest, runs, summary, type Point } from "./decimate";
import { percent, timeLabel, timeTicks, valueTicks, type Range } from "./scale";
import { stack } from "./stack";
import { useNarrow } from "./useNarrow";

export interface Series {
  id: string;
  label: string;
  colour: string;
  points: readonly Point[];
}

export interface Marker {
  t: number;
  label: string;
  tone?: "plain" | "error" | undefined;
}

export interface LineChartProps {
  /** What is drawn, for the text that replaces the picture. */
  label: string;
  series: readonly Series[];
  /** Unix milliseconds. */
  range: Range;
  step_ms?: number | undefined;
  unit: Unit;
  zone?: Zone | undefined;
  threshold?: { value: number; label: string } | null | undefined;
  markers?: readonly Marker[] | undefined;
  /** Time under the pointer, shared by the charts of a page. */
  cursor?: number | null | undefined;
  onCursor?: ((t: number | null) => void) | undefined;
  stacked?: boolean | undefined;
  /** Tints the ground below the first line. */
  area?: boolean | undefined;
  height?: number | undefined;
  loading?: boolean | undefined;
  "data-testid"?: string | undefined;
}

export const MOST_SERIES = 8;

function position(t: number, value: number, x: Range, y: Range): string {
  return `${(percent(t, x) * 10).toFixed(2)} ${(1000 - percent(value, y) * 10).toFixed(1)}`;
}

/** `d` of one path per run; a lone point is drawn as a short stroke. */
export function linePath(points: readonly Point[], x: Range, y: Range, step_ms: number): string {
  return runs(points, step_ms).map((run) => {
    const line = decimate(run).map(([t, value]) => position(t, value, x, y));
    return line.length === 1 ? `M${line[0]}h4` : `M${line.join("L")}`;
  }).join("");
}

/** `d` of the ground between two lines with the same times. */
export function areaPath(low: readonly Point[] | null, high: readonly Point[], x: Range, y: Range, step_ms: number): string {
  if (low) {
    const top = high.map(([t, value]) => position(t, value ?? 0, x, y));
    const bottom = low.map(([t, value]) => position(t, value ?? 0, x, y)).reverse();
    return top.length === 0 ? "" : `M${[...top, ...bottom].join("L")}Z`;
  }
  const ground = Math.max(y.from, Math.min(0, y.to));
  return runs(high, step_ms).map((run) => {
    const line = decimate(run);
    const first = line[0]?.[0] ?? x.from;
    const last = line.at(-1)?.[0] ?? x.to;
    const top = line.map(([t, value]) => position(t, value, x, y)).join("L");
    return `M${top}L${position(last, ground, x, y)}L${position(first, ground, x, y)}Z`;
  }).join("");
}

/** The chart in words. */
export function describe(label: string, series: readonly Series[], range: Range, unit: Unit, zone: Zone, threshold?: { value: number } | null): string {
  const clock = (t: number) => timeLabel(t, 60_000, zone);
  const head = `${label} from ${clock(range.from)} to ${clock(range.to)}${zone === "utc" ? " UTC" : ""}`;
  let top: { name: string; max: number; at: number } | null = null;
  for (const each of series) {
    const { max, maxAt } = summary(each.points);
    if (max !== null && (top === null || max > top.max)) top = { name: each.label, max, at: maxAt ?? range.from };
  }
  if (top === null) return `${head}: no data`;
  const over = threshold && top.max > threshold.value ? `, above the threshold of ${formatValue(threshold.value, unit)}` : "";
  return `${head}, ${series.length} series; highest is ${top.name} with ${formatValue(top.max, unit)} at ${clock(top.at)}${over}`;
}

export function LineChart({
  label, series, range, step_ms = 0, unit, zone = "utc", threshold, markers = [], cursor = null, onCursor, stacked = false,
  area = false, height = 300, loading = false, "data-testid": testId,
}: LineChartProps) {
  const narrow = useNarrow();
  const plot = useRef<HTMLDivElement>(null);
  const drawn = useMemo(() => series.slice(0, MOST_SERIES), [series]);
  const layers = useMemo(() => (stacked ? stack(drawn.map((each) => each.points)) : null), [drawn, stacked]);
  const { yTicks, y } = useMemo(() => {
    const tops = (layers ? layers.map((layer) => layer.high) : drawn.map((each) => each.points)).map(summary);
    const low = Math.min(...tops.map((top) => top.min ?? Infinity), threshold?.value ?? Infinity);
    const high = Math.max(...tops.map((top) => top.max ?? -Infinity), threshold?.value ?? -Infinity);
    const ticks = valueTicks(Number.isFinite(low) ? low : 0, Number.isFinite(high) ? high : 0, height < 160 ? 3 : 4);
    return { yTicks: ticks, y: { from: ticks[0] ?? 0, to: ticks[ticks.length - 1] ?? 1 } };
  }, [layers, drawn, threshold, height]);
  const paths = useMemo(() => (
    <>
      {layers && drawn.map((each, index) => {
        const layer = layers[index];
        return layer && <path key={`${each.id}-area`} className="area stacked" style={{ fill: each.colour }} d={areaPath(layer.low, layer.high, range, y, step_ms)} />;
      })}
      {!layers && area && drawn[0] && <path className="area" style={{ fill: drawn[0].colour }} d={areaPath(null, drawn[0].points, range, y, step_ms)} />}
      {drawn.map((each, index) => (
        <path key={each.id} style={{ stroke: each.colour }} strokeWidth={index === 0 && !layers ? 2 : 1.6}
          d={linePath(layers?.[index]?.high ?? each.points, range, y, step_ms)} />
      ))}
    </>
  ), [layers, drawn, area, range, y, step_ms]);

  const point = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    if (!box || box.width === 0 || !onCursor) return;
    const share = (event.clientX - box.left) / box.width;
    if (share < 0 || share > 1) return onCursor(null);
    const t = range.from + share * (range.to - range.from);
    onCursor(step_ms > 0 ? Math.round((t - range.from) / step_ms) * step_ms + range.from : t);
  };
  const inside = cursor !== null && cursor >= range.from && cursor <= range.to;
  const reach = step_ms > 0 ? step_ms * 0.75 : (range.to - range.from) / 50;
  const under = inside
    ? drawn.flatMap((each, index) => {
      const found = nearest(each.points, cursor, reach);
      if (!found || found[1] === null) return [];
      const top = nearest(layers?.[index]?.high ?? each.points, found[0], reach)?.[1] ?? found[1];
      return [{ each, value: found[1], top }];
    }).sort((a, b) => b.value - a.value)
    : [];
  const at = inside ? percent(cursor, range) : 0;
  return (
    <figure className={loading ? "chart lines ghost" : "chart lines"} role="img" aria-label={describe(label, series, range, unit, zone, threshold)} data-testid={testId}>
      <ValueAxis ticks={yTicks} range={y} height={height} labels={formatTicks(yTicks, unit)} />
      <div className="plot" ref={plot} style={{ height }} onPointerMove={point} onPointerDown={point} onPointerLeave={() => onCursor?.(null)}>
        <svg aria-hidden="true">
          <GridLines ticks={yTicks} range={y} />
          <svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">{paths}</svg>
          {threshold && <line className="thr" x1="0" x2="100%" y1={`${100 - percent(threshold.value, y)}%`} y2={`${100 - percent(threshold.value, y)}%`} />}
        </svg>
        {threshold && <span className="thr-label" style={{ bottom: `calc(${percent(threshold.value, y)}% + 3px)` }}>{threshold.label}</span>}
        {markers.filter(({ t }) => t >= range.from && t <= range.to).map((marker, index) => {
          const x = percent(marker.t, range);
          return (
            <div key={`${marker.t}-${marker.label}`} className={marker.tone === "error" ? "marker err" : "marker"} style={{ left: `${x}%` }}>
              <span style={{ top: (index % 3) * 18, ...(x > 50 ? { left: "auto", right: 6 } : {}) }}>{marker.label}</span>
            </div>
          );
        })}
        {inside && (
          <>
            <div className="cross" style={{ left: `${at}%` }}>
              {under.map(({ each, top }) => <i key={each.id} style={{ "--c": each.colour, left: ".5px", top: `${100 - percent(top, y)}%` } as CSSProperties} />)}
            </div>
            {under.length > 0 && (
              <div className="ctip" style={at > 60 ? { right: `calc(${100 - at}% + 12px)`, top: -4 } : { left: `calc(${at}% + 12px)`, top: -4 }}>
                <b className="num">{timeLabel(cursor, 1000, zone)}{zone === "utc" ? " UTC" : ""}</b>
                {under.map(({ each, value }) => (
                  <span key={each.id} style={{ display: "contents" }}>
                    <i className="key" style={{ "--c": each.colour } as CSSProperties} />
                    <span className="trunc">{each.label}</span>
                    <span className="v">{formatValue(value, unit)}</span>
                  </span>
                ))}
              </div>
            )}
          </>
        )}
      </div>
      <TimeAxis ticks={timeTicks(range, zone, narrow ? 4 : 7)} range={range} />
    </figure>
  );
}
