/**
 * Which of the eight series colours a service has.
 *
 * The hash of its name decides; a clash moves to the next free colour, in the order of registration (busiest first);
 * above eight services colours repeat, so the name always stands beside it. A colour once given stays for the session:
 * a line that changes colour between two pages is read as another service.
 */

export const COLOURS = 8;

/** FNV-1a, 32 bits. */
export function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** Adds colours (0…7) for the new names, in their order, to those given already. */
export function assign(names: Iterable<string>, given: ReadonlyMap<string, number> = new Map()): Map<string, number> {
  const all = new Map(given);
  const used = new Set(all.values());
  for (const name of names) {
    if (all.has(name)) continue;
    let colour = hash(name) % COLOURS;
    if (used.size < COLOURS) while (used.has(colour)) colour = (colour + 1) % COLOURS;
    used.add(colour);
    all.set(name, colour);
  }
  return all;
}

let session = new Map<string, number>();

/** Gives colours to services that are about to be shown; busiest first. */
export function registerServices(names: Iterable<string>): void {
  session = assign(names, session);
}

/** The colour as CSS, given now if the service is new. */
export function serviceColour(name: string): string {
  if (!session.has(name)) registerServices([name]);
  return seriesColour(session.get(name) ?? 0);
}

/** The n-th series colour as CSS, from 0, repeating. */
export function seriesColour(index: number): string {
  return `var(--s${(index % COLOURS) + 1})`;
}
