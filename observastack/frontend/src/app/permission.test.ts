import { expect, it } from "vitest";

import { missing } from "./permission";

const viewer = { permissions: ["search:read", "alerts:read"] as const, tenant_id: "acme" };

it("what a role may do has no reason against it", () => {
  expect(missing({ ...viewer, permissions: ["alerts:read"] }, "alerts:read")).toBeNull();
});

it("what it may not do names the least role that may", () => {
  expect(missing({ ...viewer, permissions: ["alerts:read"] }, "alerts:write")).toBe("Needs the role editor");
  expect(missing({ ...viewer, permissions: ["alerts:read"] }, "insights:export")).toBe("Needs the role analyst");
  expect(missing({ ...viewer, permissions: ["alerts:read"] }, "admin:tenant")).toBe("Needs the role tenant_admin");
});

it("a platform admin cannot touch a tenant's data outside administration", () => {
  const admin = { permissions: ["alerts:write", "admin:tenant"] as ("alerts:write" | "admin:tenant")[], tenant_id: null };
  expect(missing(admin, "alerts:write")).toMatch(/user of the tenant/);
  expect(missing(admin, "admin:tenant", false)).toBeNull();
});
