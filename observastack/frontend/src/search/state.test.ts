import { describe, expect, it } from "vitest";

import { forSharing, queryOf, readState, type SearchState, stateOf, writeState } from "./state";

const full: SearchState = {
  text: "time out & more",
  filters: [{ field: "service", operator: "equals", value: "payments" }, { field: "attributes.route", operator: "not_equals", value: "/healthz" }],
  type: "logs",
  range: { from: "now-30m", to: "now" },
  selection: { from: Date.UTC(2026, 10, 23, 9, 13), to: Date.UTC(2026, 10, 23, 9, 21, 30) },
  open: "logs:12",
  live: false,
};
const NOW = Date.UTC(2026, 10, 23, 9, 30);

describe("the address of a search", () => {
  it("holds the whole state", () => {
    expect(readState(new URLSearchParams(writeState(full).toString()), 1800)).toEqual(full);
  });

  it("without anything is everything in the default range", () => {
    expect(readState(new URLSearchParams(), 900)).toMatchObject({ text: "", filters: [], type: "all", range: { from: "now-15m", to: "now" }, selection: null });
  });

  it("does without parts that cannot be read", () => {
    const state = readState(new URLSearchParams("type=all-of-it&from=soon&sel=1~0&f=%3D&f=service%3Da"), 1800);
    expect(state).toMatchObject({ type: "all", range: { from: "now-30m", to: "now" }, selection: null });
    expect(state.filters).toHaveLength(1);
  });

  it("for others has absolute times", () => {
    expect(forSharing({ ...full, live: true }, NOW)).toMatchObject({
      range: { from: "2026-11-23T09:00:00.000Z", to: "2026-11-23T09:30:00.000Z" },
      live: false,
    });
  });
});

it("the selection narrows what is asked for", () => {
  const span = { from: NOW - 1_800_000, to: NOW };
  expect(queryOf(full, span, 100).time_range).toEqual({ from: "2026-11-23T09:13:00.000Z", to: "2026-11-23T09:21:30.000Z" });
  expect(queryOf({ ...full, selection: null, text: "  ", filters: [] }, span, 1)).toEqual({
    type: "logs", limit: 1, time_range: { from: "2026-11-23T09:00:00.000Z", to: "2026-11-23T09:30:00.000Z" },
  });
});

it("a query of the history becomes a state, also with times in nanoseconds", () => {
  const state = stateOf({ type: "all", time_range: { from: "1795424400000000000", to: "2026-11-23T09:30:00Z" } }, 1800);
  expect(state.range).toEqual({ from: "2026-11-23T09:00:00.000Z", to: "2026-11-23T09:30:00Z" });
});
