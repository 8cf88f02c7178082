import { expect, it } from "vitest";

import { full, short } from "./when";

const now = Date.parse("2026-11-23T09:30:00Z");

it("a moment is as long as it must be", () => {
  expect(short(now, now, "utc")).toBe("09:30:00");
  expect(short(now - 11 * 3_600_000, now, "utc")).toBe("Sun 22:30:00");
  expect(short(now - 6 * 86_400_000, now, "utc")).toBe("Tue 09:30:00");
  expect(short(now - 7 * 86_400_000, now, "utc")).toBe("2026-11-16 09:30:00");
  expect(short(now + 86_400_000, now, "utc")).toBe("2026-11-24 09:30:00");
});

it("a whole moment names its zone", () => {
  expect(full(now, "utc")).toBe("2026-11-23 09:30:00 UTC");
});
