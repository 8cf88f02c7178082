/** The areas of the application: one list for the sidebar, the tab bar and the keys. */
import type { IconName } from "../components";
import type { Permission } from "../types";

export interface Destination {
  name: string;
  path: string;
  icon: IconName;
  /** The second key after g. */
  key: string;
  needs: Permission;
}

export const DESTINATIONS: readonly Destination[] = [
  { name: "Search", path: "/search", icon: "search", key: "s", needs: "search:read" },
  { name: "Metrics", path: "/metrics", icon: "metrics", key: "m", needs: "signals:read" },
  { name: "Alerts", path: "/alerts", icon: "bell", key: "a", needs: "alerts:read" },
  { name: "Insights", path: "/insights", icon: "insights", key: "i", needs: "insights:read" },
];

export const ADMIN: Destination = { name: "Admin", path: "/admin", icon: "shield", key: "d", needs: "admin:tenant" };

export const ADMIN_PAGES = [
  { name: "Tenants", path: "/admin/tenants" },
  { name: "Users and roles", path: "/admin/users" },
  { name: "Audit log", path: "/admin/audit" },
] as const;
