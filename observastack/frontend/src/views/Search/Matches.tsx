/** Matches over time: while a question runs, who has answered; then the histogram, on which a part can be selected. */
import { useMemo } from "react";

import { useCapabilities } from "../../app/session";
import { fromWire, Histogram, HistogramLegend } from "../../charts";
import { Badge, Button } from "../../components";
import { SIGNALS, type SearchState } from "../../search/state";
import type { Zone } from "../../time/clock";
import { lengthOf } from "../../time/range";
import { list } from "./PartialBanner";
import { type Counts, LIVE_COUNTS_MS, type Results } from "./useResults";

interface Props {
  counts: Counts;
  results: Results;
  state: SearchState;
  zone: Zone;
  onSelect: (selection: SearchState["selection"]) => void;
  onZoom: (selection: NonNullable<SearchState["selection"]>) => void;
}

export function Matches({ counts, results, state, zone, onSelect, onZoom }: Props) {
  const { data } = counts;
  const buckets = useMemo(() => (data ? fromWire(data.buckets) : []), [data]);
  const step = (data?.step_ns ?? 0) / 1e9;
  const loading = counts.stale || (counts.loading && !state.live);
  return (
    <section className="panel" aria-labelledby="matches-heading">
      <div className="panel-h">
        <h2 id="matches-heading">Matches over time</h2>
        {data && <span className="muted num">{lengthOf(step)} per bar</span>}
        <div className="right">
          {results.loading && !state.live ? (
            <Asking results={results} type={state.type} />
          ) : (
            <>
              {data && <HistogramLegend buckets={buckets} keys={data.keys} />}
              {state.live && <Badge kind="ok">updates every {LIVE_COUNTS_MS / 1000} s</Badge>}
            </>
          )}
        </div>
      </div>
      <div className="panel-b" style={{ padding: "16px 14px 8px 8px" }}>
        {data ? (
          <Histogram
            buckets={buckets}
            step_ms={data.step_ns / 1e6}
            keys={data.keys}
            selection={state.live ? null : state.selection}
            onSelect={state.live ? () => undefined : onSelect}
            onZoom={onZoom}
            zone={zone}
            loading={loading}
          />
        ) : counts.error ? (
          <p className="muted" style={{ padding: "38px 12px", textAlign: "center" }}>
            The counts over time are not available now. The list below does not depend on them.
          </p>
        ) : (
          <GhostBars />
        )}
      </div>
    </section>
  );
}

function Asking({ results, type }: { results: Results; type: SearchState["type"] }) {
  const stores = useCapabilities()?.stores;
  const asked = type === "all" ? SIGNALS : [type];
  const names = asked.map((signal) => (stores && stores[signal] !== "embedded" ? stores[signal] : signal));
  return (
    <>
      <span role="status" data-testid="loading-status">
        Asking {list(names)}.{" "}
        <span className="num">
          {Object.keys(results.progress).length} of {asked.length} answered
        </span>
      </span>
      <Button size="sm" data-testid="search-cancel" onClick={results.cancel}>
        Cancel
      </Button>
    </>
  );
}

/** The place of the histogram before the first answer. */
function GhostBars() {
  return (
    <figure className="chart" role="group" aria-label="Matches over time are being counted" style={{ minHeight: 114 }}>
      <div className="y" style={{ height: 96 }} aria-hidden="true" />
      <div className="plot" style={{ height: 96 }}>
        <svg aria-hidden="true">
          {Array.from({ length: 60 }, (_, index) => {
            const height = 16 + ((index * 37) % 11) + 8 * Math.sin(index / 5) + 8;
            return (
              <rect key={index} x={`${index * 1.667 + 0.17}%`} width="1.33%" y={`${100 - height}%`} height={`${height}%`} fill="var(--grid)" />
            );
          })}
        </svg>
      </div>
    </figure>
  );
}
