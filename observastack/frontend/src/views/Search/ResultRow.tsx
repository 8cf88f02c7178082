import { type CSSProperties, memo, type RefCallback } from "react";
import { Link } from "react-router";

import { Icon, serviceColour } from "../../components";
import { idOf, type Line, lineOf, marked, timeOf } from "../../search/display";
import { clockMillis, dayAndClock, type Zone } from "../../time/clock";
import type { Filter, Item } from "../../types";
import { RowDetail } from "./RowDetail";

interface Props {
  item: Item;
  open: boolean;
  fresh?: boolean;
  /** Searched text, marked in the line. */
  needle: string;
  zone: Zone;
  /** For windowed lists. */
  place?: number | undefined;
  of?: number | undefined;
  measure?: RefCallback<HTMLElement> | undefined;
  onToggle: (id: string) => void;
  onFilter?: ((filter: Filter) => void) | undefined;
}

export const ResultRow = memo(function ResultRow({ item, open, fresh, needle, zone, place, of, measure, onToggle, onFilter }: Props) {
  const line = lineOf(item);
  const id = idOf(item);
  const ms = timeOf(item);
  const time = clockMillis(ms, zone);
  return (
    <li
      ref={measure}
      data-sev={line.severity ?? undefined}
      data-open={open ? "" : undefined}
      data-new={fresh ? "" : undefined}
      data-testid="result-row"
      data-id={id}
      aria-posinset={place}
      aria-setsize={of}
    >
      {/* The button inside is the accessible way; the row is a larger target for the mouse. */}
      <div
        className="row"
        onClick={(event) => {
          if ((event.target as HTMLElement).closest("a, button") || getSelection()?.toString()) return;
          onToggle(id);
        }}
      >
        <button
          className="exp"
          type="button"
          aria-expanded={open}
          aria-label={`Details of ${line.kind} at ${time}`}
          onClick={() => onToggle(id)}
        >
          <Icon name="chevron-right" />
        </button>
        <time dateTime={item.timestamp} title={dayAndClock(ms, zone)}>
          {time}
        </time>
        <span className={`sev ${line.severity ?? "debug"}`}>{line.word}</span>
        <span className="svc" style={{ "--c": serviceColour(item.service) } as CSSProperties}>
          <i />
          <span className="trunc" title={item.service}>
            {item.service}
          </span>
        </span>
        <Message line={line} needle={needle} />
        <span className="kindw flex" style={{ gap: 6, flexWrap: "nowrap" }}>
          <ItemLink item={item} time={time} />
          <span className="kind">{line.kind}</span>
        </span>
      </div>
      {open && <RowDetail item={item} needle={needle} zone={zone} onFilter={onFilter} />}
    </li>
  );
});

function Message({ line, needle }: { line: Line; needle: string }) {
  // A megabyte in one line would make the page slow; the details have all of it.
  const text = line.text.length > 2_000 ? `${line.text.slice(0, 2_000)}…` : line.text;
  return (
    <span className="msg">
      {marked(text, needle).map((part, index) => (index % 2 === 1 ? <mark key={index}>{part}</mark> : part))}
    </span>
  );
}

function ItemLink({ item, time }: { item: Item; time: string }) {
  if (item.source === "metrics") {
    return (
      <Link
        to={`/metrics?expr=${encodeURIComponent(item.content.name)}`}
        aria-label={`Open metric of ${time}`}
        title="Open metric"
        style={{ display: "inline-flex" }}
      >
        <Icon name="metrics" small />
      </Link>
    );
  }
  if (item.trace_id === null) return null;
  return (
    <Link to={tracePath(item)} aria-label={`Open trace of ${time}`} title="Open trace (o)" style={{ display: "inline-flex" }}>
      <Icon name="trace" small />
    </Link>
  );
}

/** The trace of an item, at its span. */
export function tracePath(item: Item): string {
  const span = item.source === "metrics" ? null : item.content.span_id;
  return `/traces/${item.trace_id ?? ""}${span ? `?span=${span}` : ""}`;
}
