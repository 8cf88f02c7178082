import { describe, expect, it } from "vitest";

import { full, short } from "../format/clock";
import { fromAddress, parseMoment, rangeLabel, resolve, shift, spanText, toAddress } from "./timeRange";

const now = Date.parse("2026-11-23T09:30:00Z");

describe("a moment", () => {
  it.each([
    ["now", "2026-11-23T09:30:00Z"],
    ["now-30m", "2026-11-23T09:00:00Z"],
    ["now-2d", "2026-11-21T09:30:00Z"],
    ["09:00", "2026-11-23T09:00:00Z"],
    ["2026-11-22 21:05", "2026-11-22T21:05:00Z"],
    ["2026-11-22 21:05:07", "2026-11-22T21:05:07Z"],
    ["2026-11-22", "2026-11-22T00:00:00Z"],
    ["2026-11-22T21:05:07.250+01:00", "2026-11-22T20:05:07.250Z"],
  ])("%s is read", (text, expected) => {
    expect(parseMoment(text, now, "utc")).toBe(Date.parse(expected));
  });

  it.each(["", "soon", "now+1h", "25:00", "2026-13-40", "now-30"])("%j is refused", (text) => {
    expect(parseMoment(text, now, "utc")).toBeNull();
  });
});

describe("a range in an address", () => {
  it("comes back as it was", () => {
    for (const value of [{ last: 1800 }, { last: 604_800 }, { from: now - 5000, to: now }]) {
      const { from, to } = toAddress(value);
      expect(fromAddress(from, to, 900)).toEqual(value);
    }
  });

  it("is the default when it cannot be read or is upside down", () => {
    expect(fromAddress(null, null, 900)).toEqual({ last: 900 });
    expect(fromAddress("x", "now", 900)).toEqual({ last: 900 });
    expect(fromAddress("2026-11-23T10:00:00Z", "2026-11-23T09:00:00Z", 900)).toEqual({ last: 900 });
  });
});

it("shifting keeps the length and never goes beyond now", () => {
  expect(shift({ last: 1800 }, -1, now)).toEqual({ from: now - 3_600_000, to: now - 1_800_000 });
  expect(shift({ last: 1800 }, 1, now)).toEqual({ last: 1800 });
  expect(shift({ from: now - 2_000_000, to: now - 200_000 }, 1, now)).toEqual({ from: now - 1_800_000, to: now });
  expect(resolve({ last: 60 }, now)).toEqual({ from: now - 60_000, to: now });
});

it("a range is said in words with its zone", () => {
  expect(rangeLabel({ last: 1800 }, now, "utc")).toBe("Last 30 min");
  expect(rangeLabel({ from: now - 1_800_000, to: now }, now, "utc")).toBe("09:00 – 09:30 UTC");
  expect(rangeLabel({ from: now - 12 * 3_600_000, to: now }, now, "utc")).toBe("Sun 21:30 – 09:30 UTC");
  expect([300, 1800, 86_400, 604_800, 90].map(spanText)).toEqual(["5m", "30m", "1d", "7d", "90s"]);
});

it("moments are as long as they must be", () => {
  expect(short(now, now, "utc")).toBe("09:30:00");
  expect(short(now - 11 * 3_600_000, now, "utc")).toBe("Sun 22:30:00");
  expect(short(now - 40 * 86_400_000, now, "utc")).toBe("14 Oct 09:30:00");
  expect(full(now, "utc")).toBe("23 Nov 2026, 09:30:00 UTC");
});
