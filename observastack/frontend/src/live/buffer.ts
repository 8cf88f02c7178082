/** The lines of live tail: newest first, a bounded number, none twice; new ones wait while somebody reads. */
import { idOf } from "../search/display";
import type { Item } from "../types";

export const CAPACITY = 5_000;

export interface Buffer {
  /** On the screen, newest first. */
  shown: readonly Item[];
  /** Arrived while held, newest first. */
  waiting: readonly Item[];
  /** Older than the capacity allows, or left out by the server. */
  dropped: number;
  /** How many of `shown` came with the last batch. */
  fresh: number;
}

export const EMPTY: Buffer = { shown: [], waiting: [], dropped: 0, fresh: 0 };

/** A batch in the order of arrival. held: it waits instead of moving the list under somebody's eyes. */
export function add(buffer: Buffer, batch: readonly Item[], dropped: number, held: boolean): Buffer {
  const known = new Set([...buffer.shown.slice(0, 1_000), ...buffer.waiting.slice(0, 1_000)].map(idOf));
  const news: Item[] = [];
  for (const item of batch) {
    if (known.has(idOf(item))) continue;
    known.add(idOf(item));
    news.push(item);
  }
  const arrived = newestFirst(news);
  if (held) {
    const waiting = [...arrived, ...buffer.waiting];
    const lost = Math.max(0, waiting.length - CAPACITY);
    return { ...buffer, waiting: waiting.slice(0, CAPACITY), dropped: buffer.dropped + dropped + lost };
  }
  const shown = [...arrived, ...buffer.shown];
  return { ...buffer, shown: shown.slice(0, CAPACITY), dropped: buffer.dropped + dropped, fresh: arrived.length };
}

/** What waited comes on top. */
export function release(buffer: Buffer): Buffer {
  const { waiting } = buffer;
  return { ...buffer, shown: [...waiting, ...buffer.shown].slice(0, CAPACITY), waiting: [], fresh: waiting.length };
}

function newestFirst(items: readonly Item[]): Item[] {
  return [...items].sort((one, other) => {
    const [a, b] = [BigInt(one.time_unix_nano), BigInt(other.time_unix_nano)];
    return a === b ? 0 : a < b ? 1 : -1;
  });
}

/** Events per second over the last seconds, from (moment in ms, count) pairs. */
export class Rate {
  private readonly seen: [number, number][] = [];

  constructor(private readonly windowS = 5) {}

  count(at: number, events: number): void {
    this.seen.push([at, events]);
  }

  perSecond(now: number): number {
    while (this.seen[0] && this.seen[0][0] < now - this.windowS * 1000) this.seen.shift();
    return this.seen.reduce((sum, [, events]) => sum + events, 0) / this.windowS;
  }
}
