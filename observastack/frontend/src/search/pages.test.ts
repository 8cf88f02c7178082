import { expect, it } from "vitest";

import type { Item, Signal, SourceStatus } from "../types";
import { type LoadedPage, shownItems } from "./pages";

const item = (source: Signal, time: number) => ({ id: String(time), source, time_unix_nano: String(time) }) as unknown as Item;
const times = (items: readonly Item[]) => items.map((one) => Number(one.time_unix_nano));

function page(items: Item[], more: boolean, perSource: number | null, status: SourceStatus["status"] = "ok"): LoadedPage {
  const sources: Partial<Record<Signal, SourceStatus>> = {};
  for (const name of ["logs", "metrics"] as const) sources[name] = { status, count: items.filter((one) => one.source === name).length };
  return { items, stats: { matched: items.length, latency_ms: 1, sources }, facets: {}, next_cursor: more ? "c" : null, partial: false, perSource };
}

const logs = [99, 98, 97].map((time) => item("logs", time));
const metrics = [95, 50].map((time) => item("metrics", time));

it("a busy source holds back what a quiet one has further back", () => {
  expect(times(shownItems([page([...logs, ...metrics], true, 3)]))).toEqual([99, 98, 97]);
});

it("what was held back comes in order with the next page", () => {
  const next = page([96, 94, 60].map((time) => item("logs", time)), true, null);
  expect(times(shownItems([page([...logs, ...metrics], true, 3), next]))).toEqual([99, 98, 97, 96, 95, 94, 60]);
});

it("everything is shown when there is no more", () => {
  expect(times(shownItems([page([...logs, ...metrics], false, 3)]))).toEqual([99, 98, 97, 95, 50]);
  const rest = page([item("logs", 10)], false, null);
  expect(times(shownItems([page([...logs, ...metrics], true, 3), rest]))).toEqual([99, 98, 97, 95, 50, 10]);
});

it("pages in order stay as they came", () => {
  expect(times(shownItems([page(logs, true, null), page([item("logs", 90)], true, null)]))).toEqual([99, 98, 97, 90]);
  expect(shownItems([])).toEqual([]);
});
