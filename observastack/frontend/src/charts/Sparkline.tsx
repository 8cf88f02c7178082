/** A line the size of a word, with the band in which it was expected. */
import type { CSSProperties } from "react";
import { percent } from "./scale";

export interface SparklineProps {
  /** Time and value. */
  points: readonly (readonly [number, number | null])[];
  /** Time, low, high. */
  band?: readonly (readonly [number, number, number])[] | undefined;
  colour: string;
}

/** Decoration: the numbers stand beside it. */
export function Sparkline({ points, band = [], colour }: SparklineProps) {
  const line = points.filter((point): point is readonly [number, number] => point[1] !== null && Number.isFinite(point[1]));
  const times = [...line.map(([t]) => t), ...band.map(([t]) => t)];
  const values = [...line.map(([, value]) => value), ...band.flatMap(([, low, high]) => [low, high])];
  if (line.length === 0) return <span className="muted">–</span>;
  const x = { from: Math.min(...times), to: Math.max(...times) };
  const y = { from: Math.min(...values), to: Math.max(...values) };
  const at = (t: number, value: number) => `${(percent(t, x) * 0.96).toFixed(2)} ${(y.to === y.from ? 12 : 24 - percent(value, y) * 0.24).toFixed(2)}`;
  const outline = band.length > 1
    ? `M${[...band.map(([t, , high]) => at(t, high)), ...[...band].reverse().map(([t, low]) => at(t, low))].join("L")}Z`
    : "";
  return (
    <svg className="spark" viewBox="0 0 96 24" aria-hidden="true" style={{ "--c": colour } as CSSProperties}>
      {outline && <path className="band" d={outline} />}
      <path d={`M${line.map(([t, value]) => at(t, value)).join("L")}`} />
    </svg>
  );
}
