/** Shares as bars: one value against a mark, and a whole in parts. */
import type { CSSProperties } from "react";

export interface MeterProps {
  /** Percent, 0…100; `null` is “no data”, which is not 0. */
  value: number | null;
  /** A mark on the bar, percent. */
  mark?: number | null | undefined;
  colour?: string | undefined;
  /** Says the same in words. */
  label: string;
}

const within = (percent: number) => Math.max(0, Math.min(100, percent));

export function Meter({ value, mark, colour = "var(--s1)", label }: MeterProps) {
  if (value === null) {
    return <span className="flex nowrap-flex"><span className="muted">no data</span></span>;
  }
  return (
    <span className="flex nowrap-flex">
      <span className="meter" role="img" aria-label={label} style={{ flex: 1 }}>
        <i style={{ width: `${within(value)}%`, "--c": colour } as CSSProperties} />
        {mark !== null && mark !== undefined && <u style={{ left: `${within(mark)}%` }} />}
      </span>
      <span className="num meter-n">{value < 10 && value > 0 ? value.toFixed(1) : Math.round(value)} %</span>
    </span>
  );
}

export interface Segment {
  id: string;
  /** Percent of the whole. */
  share: number;
  colour: string;
  label: string;
}

export function SegBar({ segments, label }: { segments: readonly Segment[]; label: string }) {
  return (
    <div className="seg" role="img" aria-label={label}>
      {segments.filter((segment) => segment.share > 0).map((segment) => (
        <i key={segment.id} title={`${segment.label}, ${segment.share.toFixed(1)} %`}
          style={{ "--c": segment.colour, width: `${segment.share}%` } as CSSProperties} />
      ))}
    </div>
  );
}
