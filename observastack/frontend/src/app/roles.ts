/** What to say about roles: who could do what the person may not. */
import type { Me, Permission, Role } from "../types";

const NEEDED: Record<Permission, Role> = {
  "search:read": "viewer",
  "signals:read": "viewer",
  "alerts:read": "viewer",
  "insights:read": "viewer",
  "alerts:write": "editor",
  "profile:write": "editor",
  "search:export": "analyst",
  "insights:export": "analyst",
  "admin:tenant": "tenant_admin",
  "admin:platform": "admin",
  "test-data:write": "admin",
};

const RANK: Role[] = ["admin", "tenant_admin", "analyst", "editor", "viewer"];

/** The least role that grants the permission. */
export function roleFor(permission: Permission): Role {
  return NEEDED[permission];
}

/** The role to show for somebody who has several. */
export function mainRole(me: Pick<Me, "roles">): Role | null {
  return RANK.find((role) => me.roles.includes(role)) ?? me.roles[0] ?? null;
}
