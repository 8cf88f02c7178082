/** Spans over time as a tree. Positions are percent: nothing is measured, the drawing is sharp at every width. */
import {
  type CSSProperties,
  type KeyboardEvent,
  memo,
  type Ref,
  useCallback,
  useImperativeHandle,
  useRef,
} from "react";

import { Icon, serviceColour } from "../../components";
import { useWindow } from "../../list/useWindow";
import { duration } from "../../time/clock";
import type { Row, TraceModel } from "../../trace/model";

/** The part of the trace that is drawn (0…1). */
export interface Window {
  from: number;
  to: number;
}

export const WHOLE: Window = { from: 0, to: 1 };

export interface WaterfallHandle {
  focus: (spanId: string) => void;
}

interface Props {
  ref: Ref<WaterfallHandle>;
  model: TraceModel;
  visible: readonly number[];
  selected: number;
  collapsed: ReadonlySet<string>;
  /** Rows that match what is searched for; null without a search. */
  matches: ReadonlySet<number> | null;
  window: Window;
  onSelect: (spanId: string) => void;
  onCollapse: (collapsed: ReadonlySet<string>) => void;
}

const ROW = 26;
const TICKS = [0, 0.25, 0.5, 0.75, 1];
const WHOLE_UP_TO = 500;
const never = () => false;

export function Waterfall({ ref, model, visible, selected, collapsed, matches, window: shown, onSelect, onCollapse }: Props) {
  const keyOf = useCallback((index: number) => String(visible[index] ?? ""), [visible]);
  const windowed = useWindow({ count: visible.length, keyOf, estimate: ROW, variable: never, layout: "", whole: WHOLE_UP_TO });
  const body = windowed.list;
  const pending = useRef<string | null>(null);
  const scrollTo = windowed.scrollTo;

  const focus = useCallback(
    (spanId: string, tries = 4) => {
      pending.current = spanId;
      const index = visible.findIndex((row) => model.rows[row]?.span.content.span_id === spanId);
      if (index >= 0) scrollTo(index);
      const row = body.current?.querySelector<HTMLElement>(`[data-id="${CSS.escape(spanId)}"]`);
      if (row) row.focus({ preventScroll: true });
      else if (tries > 0) requestAnimationFrame(() => focus(spanId, tries - 1));
    },
    [visible, model, scrollTo, body],
  );
  useImperativeHandle(ref, () => ({ focus }), [focus]);

  const toggle = useCallback(
    (spanId: string, close?: boolean) => {
      const next = new Set(collapsed);
      if (close ?? !next.has(spanId)) next.add(spanId);
      else next.delete(spanId);
      onCollapse(next);
    },
    [collapsed, onCollapse],
  );
  const keys = (event: KeyboardEvent) => {
    const id = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
    const here = visible.findIndex((row) => model.rows[row]?.span.content.span_id === id);
    const row = model.rows[visible[here] ?? -1];
    if (row === undefined || id === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const go = (index: number) => {
      const spanId = model.rows[visible[Math.max(0, Math.min(visible.length - 1, index))] ?? -1]?.span.content.span_id;
      if (spanId === undefined) return;
      onSelect(spanId);
      focus(spanId);
    };
    const closed = collapsed.has(id);
    switch (event.key) {
      case "ArrowDown":
        go(here + 1);
        break;
      case "ArrowUp":
        go(here - 1);
        break;
      case "Home":
        go(0);
        break;
      case "End":
        go(visible.length - 1);
        break;
      case "PageDown":
        go(here + 20);
        break;
      case "PageUp":
        go(here - 20);
        break;
      case "ArrowRight":
        if (row.children > 0 && closed) toggle(id, false);
        else if (row.children > 0) go(here + 1);
        break;
      case "ArrowLeft":
        if (row.children > 0 && !closed) toggle(id, true);
        else if (row.parent !== null) go(visible.indexOf(row.parent));
        break;
      case "Enter":
      case " ":
        onSelect(id);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const width = shown.to - shown.from;
  // One row is in the tab order: the selected one, else the first.
  const stop = visible.includes(selected) ? selected : (visible[0] ?? -1);
  return (
    <div className="wf" role="treegrid" aria-label="Spans of the trace" aria-rowcount={visible.length + 1} data-testid="waterfall" onKeyDown={keys}>
      <div className="wf-row wf-head" role="row" aria-rowindex={1}>
        <div className="wf-name" role="columnheader">
          Service and operation
        </div>
        <div className="ticks" role="columnheader" aria-label="Time from start">
          {TICKS.map((tick) => (
            <span key={tick} style={{ left: `${tick * 100}%` }}>
              {duration(model.durationNs * (shown.from + tick * width))}
            </span>
          ))}
        </div>
      </div>
      <div
        role="rowgroup"
        ref={body as Ref<HTMLDivElement>}
        style={{ paddingTop: windowed.before, paddingBottom: windowed.after }}
      >
        {visible.slice(windowed.first, windowed.end).map((index, offset) => {
          const row = model.rows[index];
          if (row === undefined) return null;
          return (
            <SpanRow
              key={row.span.content.span_id}
              row={row}
              position={windowed.first + offset}
              selected={index === selected}
              stop={index === stop}
              closed={collapsed.has(row.span.content.span_id)}
              faint={matches !== null && !matches.has(index)}
              from={shown.from}
              to={shown.to}
              onSelect={onSelect}
              onToggle={toggle}
            />
          );
        })}
      </div>
    </div>
  );
}

interface RowProps {
  row: Row;
  position: number;
  selected: boolean;
  stop: boolean;
  closed: boolean;
  faint: boolean;
  from: number;
  to: number;
  onSelect: (spanId: string) => void;
  onToggle: (spanId: string) => void;
}

const SpanRow = memo(function SpanRow({ row, position, selected, stop, closed, faint, from, to, onSelect, onToggle }: RowProps) {
  const { span } = row;
  const id = span.content.span_id;
  const place = (part: number) => ((part - from) / (to - from)) * 100;
  const clip = (percent: number) => Math.max(0, Math.min(100, percent));
  const [left, right] = [place(row.start), place(row.start + row.length)];
  const inside = right >= 0 && left <= 100;
  const x = clip(left);
  const width = Math.max(0.25, clip(right) - x);
  const colour = serviceColour(span.service);
  return (
    <div
      className={faint ? "wf-row faint" : "wf-row"}
      role="row"
      aria-level={row.depth + 1}
      aria-rowindex={position + 2}
      aria-expanded={row.children > 0 ? !closed : undefined}
      aria-selected={selected}
      tabIndex={stop ? 0 : -1}
      style={{ "--c": colour } as CSSProperties}
      data-testid="span-row"
      data-id={id}
      onClick={() => onSelect(id)}
    >
      <div className="wf-name" role="gridcell" style={{ paddingLeft: 6 + Math.min(row.depth, 14) * 14 }}>
        <span
          className="tw"
          onClick={(event) => {
            if (row.children === 0) return;
            event.stopPropagation();
            onToggle(id);
          }}
        >
          {row.children > 0 && <Icon name={closed ? "chevron-right" : "chevron-down"} />}
        </span>
        {row.failed && (
          <span className="e" title="error">
            <Icon name="error" small />
            <span className="sr">error</span>
          </span>
        )}
        {row.orphan && (
          <span className="orphan" title="Its parent is not stored here">
            <Icon name="warning" small />
            <span className="sr">parent missing</span>
          </span>
        )}
        <b>{span.service}</b>
        <span className="op trunc" title={span.content.name}>
          {span.content.name}
        </span>
        {closed && <span className="badge">{row.descendants}</span>}
      </div>
      <div className="wf-bar" role="gridcell">
        <svg aria-hidden="true">
          {TICKS.map((tick) => (
            <line key={tick} className="gridline" x1={`${tick * 100}%`} x2={`${tick * 100}%`} y1="0" y2="100%" />
          ))}
          {inside && (
            <>
              <rect x={`${x}%`} width={`${width}%`} y="7" height="10" rx="2" fill={colour} />
              {row.failed && (
                <rect x={`${x}%`} width={`${width}%`} y="7" height="10" rx="2" fill="none" stroke="var(--fill-error)" strokeWidth="1.5" />
              )}
              {row.critical.map(([start, end], part) => {
                const [a, b] = [clip(place(start)), clip(place(end))];
                return b > a || (place(start) >= 0 && place(start) <= 100) ? (
                  <rect key={part} className="crit" x={`${a}%`} width={`${Math.max(0.2, b - a)}%`} y="19.5" height="2.5" />
                ) : null;
              })}
            </>
          )}
        </svg>
        <span
          className={row.failed ? "t err" : "t"}
          style={inside ? { left: `${x + width}%` } : { left: right < 0 ? 0 : undefined, right: left > 100 ? 0 : undefined }}
        >
          {inside ? "" : right < 0 ? "← " : "→ "}
          {duration(row.durationNs)}
        </span>
      </div>
    </div>
  );
});
