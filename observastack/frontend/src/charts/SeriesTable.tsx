/** The numbers of a chart, and which lines it draws. */
import { useMemo, useState, type CSSProperties } from "react";
import { DataTable, type Column, type Sort } from "../components/DataTable";
import { formatValue, type Unit } from "../format/quantity";
import { summary, type Summary } from "./decimate";
import type { Series } from "./LineChart";

export interface SeriesTableProps {
  series: readonly Series[];
  shown: ReadonlySet<string>;
  onToggle: (id: string) => void;
  unit: Unit;
  threshold?: number | null | undefined;
}

type Row = Series & Summary;

/** By one number, series without it last; equal ones by name. */
export function sortRows(rows: readonly Row[], sort: Sort): Row[] {
  const key = sort.column as "label" | "min" | "mean" | "max" | "last";
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (key === "label") return sign * a.label.localeCompare(b.label);
    const [x, y] = [a[key], b[key]];
    if (x === null || y === null) return x === y ? a.label.localeCompare(b.label) : x === null ? 1 : -1;
    return sign * (x - y) || a.label.localeCompare(b.label);
  });
}

export function SeriesTable({ series, shown, onToggle, unit, threshold }: SeriesTableProps) {
  const [sort, setSort] = useState<Sort>({ column: "max", descending: true });
  const rows = useMemo(() => sortRows(series.map((each) => ({ ...each, ...summary(each.points) })), sort), [series, sort]);
  const number = (id: "min" | "mean" | "max" | "last", header: string): Column<Row> => ({
    id, header, right: true, sortable: "descending",
    cell: (row) => {
      const over = id === "max" && threshold !== null && threshold !== undefined && row.max !== null && row.max > threshold;
      return <span className={over ? "over" : undefined}>{formatValue(row[id], unit)}</span>;
    },
  });
  const columns: Column<Row>[] = [
    {
      id: "label", header: "Series", sortable: "ascending",
      cell: (row) => (
        <label className="flex nowrap-flex">
          <input className="check" type="checkbox" checked={shown.has(row.id)} onChange={() => onToggle(row.id)} aria-label={`Show ${row.label}`} />
          <span className="svc" style={{ "--c": row.colour } as CSSProperties}><i /><span className="trunc">{row.label}</span></span>
        </label>
      ),
    },
    number("min", "Min"), number("mean", "Mean"), number("max", "Max"), number("last", "Last"),
  ];
  return (
    <DataTable caption="Series values" columns={columns} rows={rows} rowId={(row) => row.id} sort={sort} onSort={setSort} data-testid="metric-legend" />
  );
}
