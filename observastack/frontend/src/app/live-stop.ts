/** Where live tail was when it had to stop, so that it goes on from there after a new sign-in. */
const KEY = "observastack.live";

interface Stop {
  cursor: string;
  /** Milliseconds since 1970. */
  at: number;
}

let kept: Stop | null = null;

export function keepLiveStop(cursor: string, at: number): void {
  kept = { cursor, at };
  try {
    // A sign-in at an identity provider leaves this page: memory alone would not last.
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Without storage it holds until the page is left.
  }
}

/** The cursor to go on from; gone once taken. */
export function takeLiveStop(): string | null {
  const stop = kept ?? stored();
  kept = null;
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was stored.
  }
  return stop?.cursor ?? null;
}

export function liveStop(): Date | null {
  return kept && new Date(kept.at);
}

function stored(): Stop | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as Stop | null;
  } catch {
    return null;
  }
}
