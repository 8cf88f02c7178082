/** Grey shapes while something loads, after 150 ms: a fast answer must not flash. */
import { useEffect, useState } from "react";

/** False for the first `ms`, then true. */
export function useDelayed(ms = 150): boolean {
  const [due, setDue] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setDue(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return due;
}

export function Skeleton({ width = "100%", height = 10 }: { width?: number | string; height?: number }) {
  const due = useDelayed();
  return <span className="skel" aria-hidden="true" style={{ width, height, visibility: due ? "visible" : "hidden" }} />;
}

const widths = ["72%", "54%", "63%", "40%", "58%"];

/** Rows of a table that is on its way. */
export function SkeletonRows({ columns, rows = 8 }: { columns: number; rows?: number }) {
  return (
    <>
      {Array.from({ length: rows }, (_, row) => (
        <tr key={row} aria-hidden="true">
          {Array.from({ length: columns }, (__, column) => (
            <td key={column} style={{ height: 34 }}><Skeleton width={widths[(row + column) % widths.length] ?? "60%"} /></td>
          ))}
        </tr>
      ))}
    </>
  );
}

/** Lines of a panel that is on its way. */
export function SkeletonBlock({ lines = 4, label = "Loading" }: { lines?: number; label?: string }) {
  return (
    <div role="status" style={{ display: "grid", gap: 12 }}>
      <span className="sr">{label}</span>
      {Array.from({ length: lines }, (_, line) => <Skeleton key={line} width={widths[line % widths.length] ?? "60%"} />)}
    </div>
  );
}
