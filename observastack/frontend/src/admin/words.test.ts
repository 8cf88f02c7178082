import { expect, it } from "vitest";

import { DUTIES, grantable, mayDo, problemOfEmail, problemOfTenantId, problemOfUsername, refusal } from "./words";

it("a duty needs all of its permissions", () => {
  expect(mayDo({ permissions: ["search:export"] }, ["search:export", "insights:export"])).toBe(false);
  expect(mayDo({ permissions: ["search:export", "insights:export"] }, DUTIES[2]?.needs ?? [])).toBe(true);
});

it("only a platform admin makes another one", () => {
  expect(grantable(false)).not.toContain("admin");
  expect(grantable(true)).toContain("admin");
});

it("a refusal is told from what was recorded, once", () => {
  expect(refusal({ success: false, detail: { status: 403, reason: "needs_role analyst", error: "403" } })).toBe("403, needs role analyst");
  expect(refusal({ success: true, detail: { status: 200 } })).toBeNull();
  expect(refusal({ success: false, detail: {} })).toBeNull();
});

it("what the server would refuse is said before it is sent", () => {
  expect([problemOfUsername(""), problemOfUsername("jo nas"), problemOfUsername("jonas.t")]).toEqual([expect.any(String), expect.any(String), null]);
  expect([problemOfEmail("jonas"), problemOfEmail("jonas@acme.example")]).toEqual([expect.any(String), null]);
  expect([problemOfTenantId("Acme"), problemOfTenantId("acme-2")]).toEqual([expect.any(String), null]);
});
