/** What administration says; pure. */
import type { AuditEntry, Permission, Role, RoleInfo } from "../types";

/** Permissions as rows of the role table: what people ask for, not what the code calls it. */
export const DUTIES: readonly { label: string; needs: readonly Permission[] }[] = [
  { label: "Read logs, metrics, traces, alerts, insights", needs: ["search:read", "signals:read", "alerts:read", "insights:read"] },
  { label: "Acknowledge, assign, resolve, silence alerts", needs: ["alerts:write"] },
  { label: "Export search results and insights", needs: ["search:export", "insights:export"] },
  { label: "Manage users, roles and settings of the tenant", needs: ["admin:tenant"] },
  { label: "Read the audit log of the tenant", needs: ["admin:tenant"] },
  { label: "Manage all tenants of the platform", needs: ["admin:platform"] },
];

export function mayDo(role: Pick<RoleInfo, "permissions">, needs: readonly Permission[]): boolean {
  return needs.every((permission) => role.permissions.includes(permission));
}

/** Roles that this person may give: only a platform admin makes another one. */
export function grantable(platform: boolean): Role[] {
  const roles: Role[] = ["viewer", "editor", "analyst", "tenant_admin"];
  return platform ? [...roles, "admin"] : roles;
}

/** Why an entry failed, from what was recorded; null when it did not. */
export function refusal({ success, detail }: Pick<AuditEntry, "success" | "detail">): string | null {
  if (success || detail === null) return null;
  const parts = ["status", "code", "reason", "error", "message"].flatMap((name) => {
    const value = detail[name];
    return typeof value === "string" || typeof value === "number" ? [String(value).replaceAll("_", " ")] : [];
  });
  return parts.length > 0 ? [...new Set(parts)].join(", ") : null;
}

export function problemOfUsername(text: string): string | null {
  if (text === "") return "Give a user name";
  return /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(text) ? null : "Letters, digits and . _ @ - only, 64 at most";
}

export function problemOfEmail(text: string): string | null {
  return /^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text) ? null : "Not an e-mail address";
}

export function problemOfTenantId(text: string): string | null {
  return /^[a-z0-9][a-z0-9-]{0,62}$/.test(text) ? null : "Small letters, digits and - only, 63 at most";
}
