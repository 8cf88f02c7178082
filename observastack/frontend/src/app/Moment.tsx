/** A moment in a list: short or relative as the profile says, whole on hover. */
import { formatAgo } from "../format/duration";
import type { Zone } from "../time/clock";
import { full, short } from "../time/when";
import { useMe } from "./session";
import { useNow } from "./useNow";

export function useZone(): Zone {
  return useMe().preferences.time_zone;
}

/** `at`: RFC 3339; null is a dash. `relative`: always as a distance, whatever the profile says. */
export function Moment({ at, relative = false, never = "–" }: { at: string | null; relative?: boolean; never?: string }) {
  const zone = useZone();
  const wanted = useMe().preferences.relative_times;
  const now = useNow();
  if (at === null) return <span className="muted">{never}</span>;
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={full(ms, zone)} className="num nowrap">
      {relative || wanted ? formatAgo(ms, Math.max(now, ms < now + 60_000 ? ms : now)) : short(ms, now, zone)}
    </time>
  );
}
