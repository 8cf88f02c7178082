/** Logs that carry the trace's id. */
import { useState } from "react";
import { Link } from "react-router";

import { isStatus } from "../../app/errors";
import { SkeletonBlock } from "../../components";
import { idOf } from "../../search/display";
import type { Zone } from "../../time/clock";
import type { LogItem } from "../../types";
import { ResultList } from "../Search/ResultList";
import "../Search/search.css";

interface Props {
  id: string;
  logs: readonly LogItem[] | undefined;
  error: unknown;
  zone: Zone;
  startMs: number;
  onSpan: (spanId: string) => void;
}

export function TraceLogs({ id, logs, error, zone, startMs, onSpan }: Props) {
  const [open, setOpen] = useState<string | null>(null);
  const [from, to] = [startMs - 3_600_000, startMs + 3_600_000].map((ms) => new Date(ms).toISOString());
  return (
    <section className="panel" aria-labelledby="trace-logs-heading" data-testid="trace-logs">
      <div className="panel-h">
        <h2 id="trace-logs-heading">Logs of this trace</h2>
        {logs && <span className="muted num">{logs.length.toLocaleString("en")}</span>}
        <div className="right">
          <Link to={`/search?f=trace_id=${id}&type=logs&from=${from ?? ""}&to=${to ?? ""}`}>Open in Search</Link>
        </div>
      </div>
      {logs && logs.length > 0 && (
        <ResultList
          items={logs}
          openId={open}
          needle=""
          zone={zone}
          wrap={false}
          label="Logs of this trace"
          onToggle={(row) => {
            setOpen(open === row ? null : row);
            const span = logs.find((log) => idOf(log) === row)?.content.span_id;
            if (open !== row && span) onSpan(span);
          }}
        />
      )}
      {logs?.length === 0 && (
        <p className="muted" style={{ padding: "14px" }}>
          No log carries the id of this trace.
        </p>
      )}
      {error !== null && !isStatus(error, 404) && (
        <p className="muted" style={{ padding: "14px" }}>
          The logs of this trace are not known: their store did not answer.
        </p>
      )}
      {!logs && error === null && (
        <div className="panel-b">
          <SkeletonBlock lines={4} label="Loading the logs" />
        </div>
      )}
    </section>
  );
}
