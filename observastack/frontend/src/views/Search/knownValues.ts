/** Fields and some of their values that the results have: what the filter editor suggests. */
import { severityName } from "../../search/filters";
import type { Item } from "../../types";

export function knownValues(items: readonly Item[]): Map<string, string[]> {
  const seen = new Map<string, Set<string>>();
  const put = (field: string, value: unknown) => {
    const values = seen.get(field) ?? new Set<string>();
    if (values.size < 20 && (typeof value === "string" || typeof value === "number" || typeof value === "boolean")) {
      values.add(String(value));
    }
    seen.set(field, values);
  };
  for (const item of items.slice(0, 300)) {
    put("service", item.service);
    if (item.source === "logs") put("severity", severityName(item.content.severity_number));
    for (const [key, value] of Object.entries(item.content.attributes)) put(`attributes.${key}`, value);
    for (const [key, value] of Object.entries(item.content.resource)) put(`resource.${key}`, value);
  }
  return new Map([...seen].map(([field, values]) => [field, [...values]]));
}
