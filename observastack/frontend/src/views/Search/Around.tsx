/** The lines of the same service just before and after. */
import { useQuery } from "@tanstack/react-query";

import { api } from "../../app/api";
import { Failure } from "../../app/Failure";
import { SevText, SkeletonBlock } from "../../components";
import { idOf, lineOf, timeOf } from "../../search/display";
import { clockMillis, type Zone } from "../../time/clock";
import type { Item, SearchQuery, SearchResult } from "../../types";

const EACH = 8;
const WINDOW_NS = 600_000_000_000n;

export function Around({ item, zone }: { item: Item; zone: Zone }) {
  const around = useQuery({
    queryKey: ["around", idOf(item)],
    queryFn: async ({ signal }) => {
      const at = BigInt(item.time_unix_nano);
      const common = {
        type: "logs",
        filters: [{ field: "service", operator: "equals", value: item.service }],
        limit: EACH,
      } satisfies SearchQuery;
      const ask = (query: SearchQuery) => api.post<SearchResult>("/search", query, { signal });
      const [before, after] = await Promise.all([
        ask({ ...common, time_range: { from: String(at - WINDOW_NS), to: String(at) }, sort_order: "desc" }),
        ask({ ...common, time_range: { from: String(at), to: String(at + WINDOW_NS) }, sort_order: "asc", limit: EACH + 1 }),
      ]);
      const known = new Set<string>([idOf(item)]);
      const later = after.items.filter((one) => !known.has(idOf(one)));
      return [...later.reverse(), item, ...before.items];
    },
    staleTime: 60_000,
  });
  if (around.error) {
    return (
      <div className="full">
        <Failure error={around.error} onRetry={() => void around.refetch()} />
      </div>
    );
  }
  if (!around.data) {
    return (
      <div className="full" style={{ padding: "12px 0" }}>
        <SkeletonBlock lines={6} label="Looking for the lines around" />
      </div>
    );
  }
  return (
    <ol className="full around" aria-label={`Lines of ${item.service} around this one, newest first`}>
      {around.data.map((one) => {
        const line = lineOf(one);
        return (
          <li key={idOf(one)} aria-current={one === item || undefined} className="link-row">
            <time className="mono muted" dateTime={one.timestamp}>
              {clockMillis(timeOf(one), zone)}
            </time>
            <span className="mono trunc" title={line.text}>
              {line.text}
            </span>
            <SevText severity={line.word} />
          </li>
        );
      })}
    </ol>
  );
}
