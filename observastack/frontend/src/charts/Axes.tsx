/** Axis labels in HTML: sharp at every width, and as large as the text of the page. */
import type { Range, TimeTick } from "./scale";
import { percent } from "./scale";

export function ValueAxis({ ticks, range, height, labels }: { ticks: readonly number[]; range: Range; height: number; labels: readonly string[] }) {
  return (
    <div className="y" style={{ height }} aria-hidden="true">
      {ticks.map((tick, index) => <span key={tick} style={{ bottom: `${percent(tick, range)}%` }}>{labels[index]}</span>)}
    </div>
  );
}

export function TimeAxis({ ticks, range }: { ticks: readonly TimeTick[]; range: Range }) {
  return (
    <div className="x" aria-hidden="true">
      {ticks.map(({ t, label }) => {
        const at = percent(t, range);
        // Labels at the edges stay inside the chart.
        const shift = at < 3 ? "none" : at > 97 ? "translateX(-100%)" : "translateX(-50%)";
        return <span key={t} style={{ left: `${at}%`, transform: shift }}>{label}</span>;
      })}
    </div>
  );
}

export function GridLines({ ticks, range }: { ticks: readonly number[]; range: Range }) {
  return (
    <>
      {ticks.map((tick) => {
        const y = `${100 - percent(tick, range)}%`;
        return <line key={tick} className={tick === 0 ? "grid base" : "grid"} x1="0" x2="100%" y1={y} y2={y} />;
      })}
    </>
  );
}
