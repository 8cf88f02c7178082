/** The whole trace in small; drag to look at a part of it. The window's edges are sliders for the keyboard. */
import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";

import { Button, serviceColour } from "../../components";
import { duration } from "../../time/clock";
import type { TraceModel } from "../../trace/model";
import { WHOLE, type Window } from "./Waterfall";

const LEAST = 0.005;
const HEIGHT = 46;
/** More bars than pixels would only blur. */
const MOST_BARS = 400;

interface Props {
  model: TraceModel;
  value: Window;
  onChange: (window: Window) => void;
}

export function Minimap({ model, value, onChange }: Props) {
  const plot = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<{ anchor: number; at: number } | null>(null);
  const partAt = (event: PointerEvent) => {
    const box = plot.current?.getBoundingClientRect();
    return box && box.width > 0 ? Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) : 0;
  };
  const up = (event: PointerEvent) => {
    if (!drag) return;
    const at = partAt(event);
    setDrag(null);
    const [from, to] = [Math.min(drag.anchor, at), Math.max(drag.anchor, at)];
    onChange(to - from < LEAST ? WHOLE : { from, to });
  };
  const shown = drag ? { from: Math.min(drag.anchor, drag.at), to: Math.max(drag.anchor, drag.at) } : value;
  const narrowed = shown.from > 0 || shown.to < 1;
  const keys = (edge: "from" | "to") => (event: KeyboardEvent) => {
    const by = (event.shiftKey ? 0.05 : 0.01) * ({ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key] ?? 0);
    if (event.key === "Escape" || event.key === "Home") onChange(WHOLE);
    else if (by === 0) return;
    else if (edge === "from") onChange({ ...value, from: Math.max(0, Math.min(value.to - LEAST, value.from + by)) });
    else onChange({ ...value, to: Math.min(1, Math.max(value.from + LEAST, value.to + by)) });
    event.preventDefault();
    event.stopPropagation();
  };
  const step = Math.max(1, Math.ceil(model.rows.length / MOST_BARS));
  const rows = model.rows.filter((_, index) => index % step === 0);
  const pitch = Math.min(1.65, (HEIGHT - 2) / rows.length);
  return (
    <div className="minimap-box">
      <div
        className="minimap"
        ref={plot}
        onPointerDown={(event) => {
          if (event.button !== 0 || (event.target as HTMLElement).closest("button")) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          const at = partAt(event);
          setDrag({ anchor: at, at });
        }}
        onPointerMove={(event) => drag && setDrag({ ...drag, at: partAt(event) })}
        onPointerUp={up}
        onPointerCancel={() => setDrag(null)}
      >
        <svg role="img" aria-label="Overview of the whole trace">
          {rows.map((row, index) => (
            <rect
              key={row.span.content.span_id}
              x={`${row.start * 100}%`}
              width={`${Math.max(0.25, row.length * 100)}%`}
              y={1 + index * pitch}
              height={Math.max(0.6, Math.min(1.3, pitch))}
              fill={serviceColour(row.span.service)}
            />
          ))}
        </svg>
        {narrowed && (
          <>
            <div className="minimap-shade" style={{ left: 0, width: `${shown.from * 100}%` }} />
            <div className="minimap-shade" style={{ right: 0, width: `${(1 - shown.to) * 100}%` }} />
          </>
        )}
        <div className="brush minimap-window" style={{ left: `${shown.from * 100}%`, width: `${(shown.to - shown.from) * 100}%` }} data-narrowed={narrowed || undefined}>
          {(["from", "to"] as const).map((edge) => (
            <button
              key={edge}
              type="button"
              role="slider"
              aria-label={edge === "from" ? "Start of the part shown" : "End of the part shown"}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(value[edge] * 100)}
              aria-valuetext={duration(model.durationNs * value[edge])}
              onKeyDown={keys(edge)}
            />
          ))}
        </div>
      </div>
      {narrowed && !drag && (
        <div className="minimap-reset">
          <Button size="sm" data-testid="trace-whole" onClick={() => onChange(WHOLE)}>
            Whole trace
          </Button>
        </div>
      )}
    </div>
  );
}
