/** Which signal is searched, with the number of matches of each; and how many sources are down. */
import { answered } from "../../app/sources";
import { Badge, Tabs } from "../../components";
import { SIGNAL_TYPES, SIGNALS } from "../../search/state";
import type { SignalType, Sources } from "../../types";
import type { Counts } from "./useResults";

/** all: the counts of the question over all signals. */
export function SignalTabs({ value, all, onChange }: { value: SignalType; all: Counts; onChange: (type: SignalType) => void }) {
  return (
    <Tabs<SignalType>
      label="Signal"
      value={value}
      panelId="results"
      testIdPrefix="signal-tab"
      onChange={onChange}
      tabs={SIGNAL_TYPES.map((type) => ({
        id: type,
        label: type.charAt(0).toUpperCase() + type.slice(1),
        count: tabCount(type, all),
      }))}
    />
  );
}

/** A number only when it is known: a source without an answer makes it `?`, never 0. */
function tabCount(type: SignalType, counts: Counts): number | "…" | null | undefined {
  if (counts.data === undefined) return counts.error ? undefined : "…";
  const sources = counts.data.sources;
  if (type !== "all") {
    const status = sources[type];
    return status === undefined || !answered(status) ? null : status.count;
  }
  return Object.keys(sources).length === SIGNALS.length || counts.data.total > 0 ? counts.data.total : null;
}

export function SourcesDown({ sources }: { sources: Sources }) {
  const down = Object.values(sources).filter((status) => !answered(status)).length;
  if (down === 0) return null;
  return (
    <span data-testid="source-badge">
      <Badge kind="warn" icon="warning">
        {down} {down === 1 ? "source" : "sources"} down
      </Badge>
    </span>
  );
}
