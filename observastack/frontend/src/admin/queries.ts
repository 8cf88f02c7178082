/** Tenants, users and the audit log. Tables change only when the server has answered. */
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api, requestId } from "../app/api";
import type { AuditEntry, NewUser, Page, Role, RoleInfo, Tenant, User } from "../types";

function pages<T>(path: string, key: string, parameters: Record<string, string | boolean | null | undefined>, limit: number) {
  return {
    queryKey: ["admin", key, parameters],
    queryFn: ({ pageParam, signal }: { pageParam: string | null; signal: AbortSignal }) => api.get<Page<T>>(path, { ...parameters, limit, cursor: pageParam }, { signal }),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Page<T>) => page.next_cursor,
    placeholderData: keepPreviousData,
  };
}

export function useTenants() {
  return useInfiniteQuery(pages<Tenant>("/admin/tenants", "tenants", {}, 100));
}

export function useUsers(filters: { tenant?: string | undefined; role?: string | undefined; q?: string | undefined }) {
  return useInfiniteQuery(pages<User>("/admin/users", "users", filters, 50));
}

export interface AuditFilters {
  user?: string | undefined;
  action?: string | undefined;
  success?: boolean | undefined;
  tenant?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
}

export function useAudit(filters: AuditFilters) {
  return useInfiniteQuery(pages<AuditEntry>("/admin/audit-logs", "audit", { ...filters }, 100));
}

export function useRoles() {
  return useQuery({
    queryKey: ["admin", "roles"],
    queryFn: async ({ signal }) => (await api.get<{ items: RoleInfo[] }>("/admin/roles", {}, { signal })).items,
    staleTime: 600_000,
  });
}

function useChange<Input, Output>(change: (input: Input) => Promise<Output>) {
  const client = useQueryClient();
  return useMutation({ mutationFn: change, onSettled: () => client.invalidateQueries({ queryKey: ["admin"] }) });
}

const user = (id: string) => `/admin/users/${encodeURIComponent(id)}`;
const tenant = (id: string) => `/admin/tenants/${encodeURIComponent(id)}`;

export interface UserDraft {
  username: string;
  email: string;
  name?: string;
  roles: Role[];
  tenant_id?: string;
}

export const useInvite = () => useChange((draft: UserDraft) => api.post<NewUser>("/admin/users", draft, { idempotencyKey: requestId() }));
export const useSetRoles = () => useChange(({ id, roles }: { id: string; roles: Role[] }) => api.put<User>(`${user(id)}/roles`, { roles }));
export const useSetEnabled = () => useChange(({ id, enabled }: { id: string; enabled: boolean }) => api.post<User>(`${user(id)}/${enabled ? "activate" : "deactivate"}`));
export const useEditUser = () => useChange(({ id, ...change }: { id: string; email: string; name: string }) => api.put<User>(user(id), change));
export const useDeleteUser = () => useChange((id: string) => api.del(user(id)));

export interface TenantDraft {
  name?: string;
  color?: string;
  retention_days?: number;
  status?: Tenant["status"];
}

export const useCreateTenant = () => useChange((draft: TenantDraft & { id: string }) => api.post<Tenant>("/admin/tenants", draft, { idempotencyKey: requestId() }));
export const useEditTenant = () => useChange(({ id, ...change }: TenantDraft & { id: string }) => api.put<Tenant>(tenant(id), change));
export const useDeleteTenant = () => useChange((id: string) => api.del(tenant(id)));
