/** Which attributes are worth a facet: those that many lines have, with a few different values. */
import type { Item } from "../../types";

const MOST_VALUES = 12;
const LEAST_SHARE = 0.25;

/** At most `most` fields, as filters name them; those with more lines first. */
export function facetFields(items: readonly Item[], most = 2): string[] {
  const seen = new Map<string, { lines: number; values: Set<string> }>();
  const sample = items.slice(0, 300);
  for (const { content } of sample) {
    for (const [prefix, attributes] of [["attributes", content.attributes], ["resource", content.resource]] as const) {
      for (const [key, value] of Object.entries(attributes)) {
        if (key === "service.name" || !["string", "number", "boolean"].includes(typeof value)) continue;
        const name = `${prefix}.${key}`;
        const field = seen.get(name) ?? { lines: 0, values: new Set<string>() };
        field.lines += 1;
        if (field.values.size <= MOST_VALUES) field.values.add(String(value));
        seen.set(name, field);
      }
    }
  }
  return [...seen]
    .filter(([, { lines, values }]) => values.size >= 2 && values.size <= MOST_VALUES && lines >= sample.length * LEAST_SHARE)
    .sort(([a, one], [b, other]) => other.lines - one.lines || one.values.size - other.values.size || a.localeCompare(b))
    .slice(0, most)
    .map(([name]) => name);
}
