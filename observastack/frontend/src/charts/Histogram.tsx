/**
 * Matches over time, stacked by severity, with a brush.
 *
 * The handles of the brush are sliders (arrows 1 bucket, Shift 5, Home, End), so everything the mouse can do, the
 * keyboard can. Brushing narrows the list; Zoom makes the selection the time range.
 */
import { useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type PointerEvent } from "react";
import { Button, IconButton } from "../components/Button";
import { formatTicks } from "../format/quantity";
import type { Zone } from "../time/clock";
import { GridLines, TimeAxis, ValueAxis } from "./Axes";
import { between, borderAt, bucketTotal, merge, selectedTotal, type Bucket, type TimeSelection } from "./buckets";
import { countTicks, percent, timeLabel, timeTicks } from "./scale";
import { useNarrow } from "./useNarrow";

export interface HistogramProps {
  buckets: readonly Bucket[];
  step_ms: number;
  /** Worst first; the worst is drawn on top. */
  keys: readonly string[];
  selection: TimeSelection | null;
  onSelect: (selection: TimeSelection | null) => void;
  onZoom: (selection: TimeSelection) => void;
  zone?: Zone | undefined;
  /** The buckets are those of the last answer, a new one is on its way. */
  loading?: boolean | undefined;
  height?: number | undefined;
  /** What is counted: “Matches”. */
  label?: string | undefined;
}

const fills: Record<string, string> = {
  fatal: "var(--fill-fatal)", error: "var(--fill-error)", warn: "var(--fill-warn)", info: "var(--fill-info)",
  debug: "var(--fill-debug)", trace: "var(--fill-debug)", unspecified: "var(--border-ctl)",
  spans: "var(--s1)", "error spans": "var(--fill-error)", samples: "var(--s7)",
};

/** CSS colour of a key of the histogram. */
export function keyColour(key: string): string {
  return fills[key] ?? "var(--fill-debug)";
}

export function Histogram({
  buckets: given, step_ms: givenStep, keys, selection, onSelect, onZoom, zone = "utc", loading = false, height = 96, label = "Matches",
}: HistogramProps) {
  const narrow = useNarrow();
  const factor = narrow && given.length > 30 ? 2 : 1;
  const buckets = useMemo(() => (factor === 1 ? given : merge(given, factor)), [given, factor]);
  const step_ms = givenStep * factor;
  const plot = useRef<HTMLDivElement>(null);
  const startHandle = useRef<HTMLButtonElement>(null);
  const [drag, setDrag] = useState<{ kind: "new" | "start" | "end"; anchor: number; at: number } | null>(null);

  const first = buckets[0]?.t ?? 0;
  const range = { from: first, to: first + Math.max(1, buckets.length) * step_ms };
  const totals = buckets.map(bucketTotal);
  const highest = Math.max(0, ...totals);
  const ticks = countTicks(highest);
  const yRange = { from: 0, to: ticks[ticks.length - 1] ?? 1 };
  const clock = (t: number) => timeLabel(t, step_ms < 60_000 ? 1000 : Math.min(step_ms, 3_599_999), zone);
  const shown = drag ? between(buckets, step_ms, drag.anchor, drag.at) : selection;
  const peak = totals.indexOf(highest);

  const bars = useMemo(() => {
    const drawn = [];
    const wide = 100 / Math.max(1, buckets.length);
    for (const [index, bucket] of buckets.entries()) {
      let base = 0;
      for (const key of [...keys].reverse()) {
        const count = bucket.counts[key] ?? 0;
        if (count === 0) continue;
        const low = percent(base, yRange);
        const part = Math.max(percent(count, yRange) - 0.6, 0.4);
        drawn.push(<rect key={`${index}-${key}`} x={`${index * wide + wide * 0.1}%`} width={`${wide * 0.8}%`}
          y={`${100 - low - part}%`} height={`${part}%`} fill={keyColour(key)} />);
        base += count;
      }
    }
    return drawn;
  // eslint-disable-next-line react-hooks/exhaustive-deps -- yRange follows from the buckets
  }, [buckets, keys]);

  const borderOf = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    if (!box || box.width === 0) return 0;
    return Math.max(0, Math.min(buckets.length, Math.round(((event.clientX - box.left) / box.width) * buckets.length)));
  };
  const down = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0 || buckets.length === 0) return;
    const kind = (event.target as HTMLElement).dataset["handle"];
    if (!kind && (event.target as HTMLElement).closest("button")) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    if (selection && (kind === "start" || kind === "end")) {
      const fixed = borderAt(buckets, step_ms, kind === "start" ? selection.to : selection.from);
      setDrag({ kind, anchor: fixed, at: borderOf(event) });
    } else {
      setDrag({ kind: "new", anchor: borderOf(event), at: borderOf(event) });
    }
  };
  const move = (event: PointerEvent) => { if (drag) setDrag({ ...drag, at: borderOf(event) }); };
  const up = (event: PointerEvent) => {
    if (!drag) return;
    const at = borderOf(event);
    setDrag(null);
    if (drag.kind === "new" && at === drag.anchor) return onSelect(null);
    onSelect(between(buckets, step_ms, drag.anchor, at));
  };
  const key = (which: "start" | "end") => (event: KeyboardEvent) => {
    if (!selection) return;
    if (event.key === "Escape") return onSelect(null);
    const start = borderAt(buckets, step_ms, selection.from);
    const end = borderAt(buckets, step_ms, selection.to);
    const here = which === "start" ? start : end;
    const by = event.shiftKey ? 5 : 1;
    const next = {
      ArrowLeft: here - by, ArrowDown: here - by, ArrowRight: here + by, ArrowUp: here + by, PageDown: here - 5, PageUp: here + 5,
      Home: which === "start" ? 0 : start + 1, End: which === "start" ? end - 1 : buckets.length,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    onSelect(which === "start"
      ? between(buckets, step_ms, Math.min(next, end - 1), end)
      : between(buckets, step_ms, start, Math.max(next, start + 1)));
  };

  const text = buckets.length === 0 || highest === 0
    ? `${label}: none`
    : `${label} from ${clock(range.from)} to ${clock(range.to)}${zone === "utc" ? " UTC" : ""}, highest at ${clock(buckets[peak]?.t ?? 0)} with ${highest.toLocaleString("en")} per bar`;
  const slider = (which: "start" | "end", border: number) => (
    <button ref={which === "start" ? startHandle : undefined} type="button" role="slider" data-handle={which}
      aria-label={which === "start" ? "Selection start" : "Selection end"}
      aria-valuemin={0} aria-valuemax={buckets.length} aria-valuenow={border} aria-valuetext={clock(first + border * step_ms)}
      onKeyDown={key(which)} />
  );
  const left = shown ? percent(shown.from, range) : 0;
  const right = shown ? percent(shown.to, range) : 0;
  const tipPlace: CSSProperties = right <= 60
    ? { left: `calc(${right}% + 12px)` }
    : left >= 40 ? { right: `calc(${100 - left}% + 12px)` } : { left: `calc(${left}% + 12px)` };
  return (
    <figure className={loading ? "chart histogram ghost" : "chart histogram"} role="group" aria-label={text}>
      <ValueAxis ticks={ticks} range={yRange} height={height} labels={formatTicks(ticks, "count")} />
      <div className="plot" ref={plot} style={{ height }} onPointerDown={down} onPointerMove={move} onPointerUp={up} onPointerCancel={() => setDrag(null)}>
        <svg aria-hidden="true">
          <GridLines ticks={ticks} range={yRange} />
          {bars}
        </svg>
        {shown && (
          <div className="brush" style={{ left: `${left}%`, width: `${right - left}%` }} data-testid="histogram-brush">
            {slider("start", borderAt(buckets, step_ms, shown.from))}
            {slider("end", borderAt(buckets, step_ms, shown.to))}
          </div>
        )}
        {shown && !drag && (
          <div className="brush-tip" style={tipPlace}>
            <span className="num">{clock(shown.from)} – {clock(shown.to)} · <b>{selectedTotal(buckets, step_ms, shown).toLocaleString("en")}</b> matches</span>
            <Button size="sm" variant="primary" data-testid="histogram-zoom" onClick={() => onZoom(shown)}>Zoom in</Button>
            <IconButton size="sm" icon="close" label="Clear selection" data-testid="histogram-clear" onClick={() => onSelect(null)} />
          </div>
        )}
        {!shown && buckets.length > 0 && highest > 0 && (
          <button type="button" className="btn sm brush-start" onClick={() => {
            onSelect(between(buckets, step_ms, Math.max(0, peak - 2), peak + 3));
            requestAnimationFrame(() => startHandle.current?.focus());
          }}>Select a range</button>
        )}
      </div>
      <TimeAxis ticks={timeTicks(range, zone, narrow ? 4 : 7)} range={range} />
    </figure>
  );
}

/** Keys with their totals, worst first; those without a match are left out. */
export function HistogramLegend({ buckets, keys }: { buckets: readonly Bucket[]; keys: readonly string[] }) {
  return (
    <ul className="legend">
      {keys.map((key) => ({ key, total: buckets.reduce((sum, bucket) => sum + (bucket.counts[key] ?? 0), 0) }))
        .filter(({ total }) => total > 0)
        .map(({ key, total }) => (
          <li key={key}><i className="key" style={{ "--c": keyColour(key) } as CSSProperties} />{key} <span className="num muted">{total.toLocaleString("en")}</span></li>
        ))}
    </ul>
  );
}
