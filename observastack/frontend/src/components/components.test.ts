import { describe, expect, it } from "vitest";

import { between, toggled } from "./DataTable";
import { place } from "./floating";
import { pagerText } from "./Pager";
import { assign, COLOURS, hash } from "./serviceColours";

describe("colours of services", () => {
  const names = ["checkout-api", "payments", "fraud-score", "inventory", "edge-gateway", "ledger-writer", "cart-api", "pricing"];

  it("are all different for eight services", () => {
    expect(new Set(assign(names).values()).size).toBe(COLOURS);
  });

  it("follow the hash of the name when nobody has taken the colour", () => {
    expect(assign(["payments"]).get("payments")).toBe(hash("payments") % COLOURS);
  });

  it("let the busier service keep its colour in a clash and move the other to the next free one", () => {
    const twins = Array.from({ length: 200 }, (_, index) => `svc-${index}`).filter((name) => hash(name) % COLOURS === 3);
    const [busy, quiet] = [twins[0] ?? "", twins[1] ?? ""];
    expect(assign([busy, quiet])).toEqual(new Map([[busy, 3], [quiet, 4]]));
    expect(assign([quiet, busy])).toEqual(new Map([[quiet, 3], [busy, 4]]));
  });

  it("repeat above eight and never change for a name that has one", () => {
    const first = assign(names);
    const more = assign(["ninth", "tenth", ...names], first);
    for (const name of names) expect(more.get(name)).toBe(first.get(name));
    expect(more.get("ninth")).toBe(hash("ninth") % COLOURS);
  });
});

describe("selection", () => {
  const ids = ["a", "b", "c", "d"];

  it("of a range goes from the last row pressed to this one, in either direction", () => {
    expect(between(ids, "b", "d")).toEqual(["b", "c", "d"]);
    expect(between(ids, "d", "b")).toEqual(["b", "c", "d"]);
    expect(between(ids, null, "c")).toEqual(["c"]);
    expect(between(ids, "gone", "c")).toEqual(["c"]);
  });

  it("gives the whole range the new state of the row pressed", () => {
    expect(toggled(new Set(["a"]), ids, "a", "c", true)).toEqual(new Set(["a", "b", "c"]));
    expect(toggled(new Set(ids), ids, "a", "b", true)).toEqual(new Set(["c", "d"]));
    expect(toggled(new Set(["a"]), ids, null, "a", false)).toEqual(new Set());
  });
});

it("the pager says how much is shown, and does not invent a total", () => {
  expect(pagerText(11, 23, true, "worst and newest first")).toBe("1 – 11 of 23, worst and newest first");
  expect(pagerText(100, null, true)).toBe("1 – 100, more to come");
  expect(pagerText(7, null, false)).toBe("1 – 7");
  expect(pagerText(0, 0, false)).toBe("0 of 0");
});

it("a menu stays inside the window and opens upwards where there is no room below", () => {
  const window_ = { width: 390, height: 700 };
  const size = { width: 200, height: 150 };
  expect(place({ left: 350, right: 380, top: 100, bottom: 130 }, size, window_, "end")).toEqual({ left: 180, top: 134 });
  expect(place({ left: 350, right: 380, top: 100, bottom: 130 }, size, window_, "start").left).toBe(182);
  expect(place({ left: 10, right: 40, top: 640, bottom: 670 }, size, window_, "start").top).toBe(486);
});
