/** Lengths of time and distances from now, as people say them. */

/** 45 s, 14 min, 3 min 12 s, 3 h 29 min, 5 days 2 h; two parts at most, `exact` keeps seconds beside minutes. */
export function formatDuration(seconds: number | null, exact = false): string {
  if (seconds === null || Number.isNaN(seconds)) return "–";
  const all = Math.max(0, Math.round(seconds));
  if (all < 60) return `${all} s`;
  const minutes = Math.floor(all / 60);
  if (minutes < 60) return exact && all % 60 > 0 ? `${minutes} min ${all % 60} s` : `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 > 0 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 > 0 && days < 14 ? `${days} days ${hours % 24} h` : `${days} days`;
}

/** “now”, “2 min ago”, “yesterday”, “41 days ago”; the future as “in 12 min”. */
export function formatAgo(then_ms: number, now_ms: number): string {
  const seconds = (now_ms - then_ms) / 1000;
  if (Math.abs(seconds) < 2) return "now";
  const days = Math.floor(Math.abs(seconds) / 86_400);
  const length = days >= 1
    ? days === 1 ? "1 day" : `${days} days`
    : Math.abs(seconds) >= 3600 ? `${Math.floor(Math.abs(seconds) / 3600)} h` : formatDuration(Math.floor(Math.abs(seconds)));
  if (seconds < 0) return `in ${length}`;
  return days === 1 ? "yesterday" : `${length} ago`;
}
