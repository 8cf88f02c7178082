/** Tables: sorting by column heads, selection with ranges, loading, empty. Rows carry their id in `data-id`. */
import { useRef, type ReactNode } from "react";
import { Icon } from "./Icon";
import { SkeletonRows } from "./Skeleton";

export interface Sort {
  column: string;
  descending: boolean;
}

export interface Column<Row> {
  id: string;
  header: ReactNode;
  cell: (row: Row) => ReactNode;
  right?: boolean | undefined;
  center?: boolean | undefined;
  width?: number | string | undefined;
  /** Classes of its cells: `inl` and `hide-s` for the card layout of phones. */
  className?: string | undefined;
  /** Classes of its cells only, not of its head. */
  cellClass?: string | undefined;
  /** Can be sorted by; the first press sorts in this direction. */
  sortable?: "ascending" | "descending" | undefined;
  /** The head is only for screen readers. */
  quiet?: boolean | undefined;
}

export interface Selection {
  selected: ReadonlySet<string>;
  onChange: (selected: Set<string>) => void;
  /** Names a row for its checkbox. */
  name: (id: string) => string;
  allLabel: string;
  allTestId?: string | undefined;
}

export interface DataTableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowId: (row: Row) => string;
  sort?: Sort | undefined;
  onSort?: ((sort: Sort) => void) | undefined;
  selection?: Selection | undefined;
  /** First load: grey rows instead of content. */
  loading?: boolean | undefined;
  /** An older answer is shown while a new one is on its way. */
  stale?: boolean | undefined;
  empty?: ReactNode;
  /** On phones each row becomes a card; otherwise the table scrolls sideways. */
  cards?: boolean | undefined;
  "data-testid"?: string | undefined;
  rowTestId?: string | undefined;
}

/** The ids between the last one changed and this one, both included, in the order shown; for Shift and a press. */
export function between(ids: readonly string[], last: string | null, id: string): string[] {
  const from = last === null ? -1 : ids.indexOf(last);
  const to = ids.indexOf(id);
  if (from < 0 || to < 0) return [id];
  return ids.slice(Math.min(from, to), Math.max(from, to) + 1);
}

/** The selection after a press on one row: itself, or with Shift the whole range, takes the new state. */
export function toggled(
  selected: ReadonlySet<string>, ids: readonly string[], last: string | null, id: string, range: boolean,
): Set<string> {
  const next = new Set(selected);
  const on = !selected.has(id);
  for (const each of range ? between(ids, last, id) : [id]) {
    if (on) next.add(each);
    else next.delete(each);
  }
  return next;
}

function classOf<Row>(column: Column<Row>): string | undefined {
  return [column.right ? "r" : "", column.center ? "c" : "", column.className ?? ""].filter(Boolean).join(" ") || undefined;
}

function Head<Row>({ column, sort, onSort }: { column: Column<Row>; sort: Sort | undefined; onSort: ((sort: Sort) => void) | undefined }) {
  const sorted = sort?.column === column.id;
  const direction = sorted ? (sort.descending ? "descending" : "ascending") : undefined;
  const press = () => onSort?.({
    column: column.id,
    descending: sorted ? !sort.descending : column.sortable === "descending",
  });
  return (
    <th scope="col" className={classOf(column)} style={{ width: column.width }} aria-sort={direction}>
      {column.sortable && onSort ? (
        <button type="button" onClick={press}>
          {column.header}
          {sorted && <Icon name={sort.descending ? "chevron-down" : "chevron-up"} small />}
        </button>
      ) : column.quiet ? <span className="sr">{column.header}</span> : column.header}
    </th>
  );
}

export function DataTable<Row>({
  caption, columns, rows, rowId, sort, onSort, selection, loading = false, stale = false, empty, cards = false,
  "data-testid": testId, rowTestId,
}: DataTableProps<Row>) {
  const last = useRef<string | null>(null);
  const ids = rows.map(rowId);
  const chosen = selection ? ids.filter((id) => selection.selected.has(id)).length : 0;
  const width = columns.length + (selection ? 1 : 0);
  const toggle = (id: string, range: boolean) => {
    if (!selection) return;
    selection.onChange(toggled(selection.selected, ids, last.current, id, range));
    last.current = id;
  };
  const table = (
    <table className={cards ? "tbl cards" : "tbl"} data-testid={testId} aria-busy={loading || stale}>
      <caption className="sr">{caption}</caption>
      <thead>
        <tr>
          {selection && (
            <th scope="col" style={{ width: 38 }}>
              <input type="checkbox" className="check" aria-label={selection.allLabel} data-testid={selection.allTestId}
                checked={ids.length > 0 && chosen === ids.length} disabled={ids.length === 0}
                ref={(box) => { if (box) box.indeterminate = chosen > 0 && chosen < ids.length; }}
                onChange={() => selection.onChange(chosen === ids.length ? new Set() : new Set([...selection.selected, ...ids]))} />
            </th>
          )}
          {columns.map((column) => <Head key={column.id} column={column} sort={sort} onSort={onSort} />)}
        </tr>
      </thead>
      <tbody style={stale ? { opacity: 0.6 } : undefined}>
        {loading && <SkeletonRows columns={width} />}
        {!loading && rows.length === 0 && empty && <tr className="empty-row"><td colSpan={width}>{empty}</td></tr>}
        {!loading && rows.map((row) => {
          const id = rowId(row);
          const on = selection?.selected.has(id) ?? false;
          return (
            <tr key={id} data-id={id} data-testid={rowTestId} {...(selection ? { "aria-selected": on } : {})}>
              {selection && (
                <td className="ck">
                  <input type="checkbox" className="check" aria-label={`Select ${selection.name(id)}`} checked={on} readOnly data-testid={rowTestId && `${rowTestId}-select`}
                    onClick={(event) => toggle(id, event.shiftKey)}
                    onKeyDown={(event) => { if (event.key === "Enter") toggle(id, event.shiftKey); }} />
                </td>
              )}
              {columns.map((column) => <td key={column.id} className={[classOf(column), column.cellClass].filter(Boolean).join(" ") || undefined}>{column.cell(row)}</td>)}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
  if (cards) return table;
  return <div className="scroll-x" tabIndex={0} role="region" aria-label={`${caption} table`}>{table}</div>;
}
