/** How many lines match: exactly when the counts are known, else what is shown. */
import { fromWire } from "../../charts";
import type { SearchState } from "../../search/state";
import type { Counts } from "./useResults";

/** selected: inside the brush of the histogram, by whole bars; null without one. */
export interface Total {
  count: number;
  selected: number | null;
}

export function totalOf({ data, stale }: Counts, { selection }: SearchState): Total | null {
  if (data === undefined || stale) return null;
  if (selection === null) return { count: data.total, selected: null };
  const { from, to } = selection;
  const step = data.step_ns / 1e6;
  let selected = 0;
  for (const { t, counts } of fromWire(data.buckets)) {
    if (t < to && t + step > from) for (const count of Object.values(counts)) selected += count;
  }
  return { count: data.total, selected };
}

interface Props {
  shown: number;
  total: Total | null;
  state: SearchState;
  hasMore: boolean;
}

export function ResultStats({ shown, total, state, hasMore }: Props) {
  if (total === null) {
    return (
      <>
        <b className="num">{shown.toLocaleString("en")}</b> {hasMore ? "shown, more to come" : shown === 1 ? "match" : "matches"}
      </>
    );
  }
  if (state.selection && total.selected !== null) {
    return (
      <>
        <b className="num">{total.selected.toLocaleString("en")}</b> of {total.count.toLocaleString("en")}, in the selection
      </>
    );
  }
  return (
    <>
      <b className="num">{total.count.toLocaleString("en")}</b> {total.count === 1 ? "match" : "matches"}
    </>
  );
}
