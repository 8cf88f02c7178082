/** What somebody may not do is shown and says why, instead of being hidden or failing when pressed. */
import type { Me, Permission } from "../types";
import { roleFor } from "./roles";
import { useMe } from "./session";

/** Why this person may not, null when they may. A platform admin has all permissions but no tenant to use them in. */
export function missing(me: Pick<Me, "permissions" | "tenant_id">, permission: Permission, tenantData = true): string | null {
  if (!me.permissions.includes(permission)) return `Needs the role ${roleFor(permission)}`;
  return tenantData && me.tenant_id === null ? "Needs a user of the tenant: platform admins have none" : null;
}

export function useMissing(permission: Permission, tenantData = true): string | null {
  return missing(useMe(), permission, tenantData);
}
