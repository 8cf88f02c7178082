/** Why a view does not show: 403 by role, 403 without a tenant, or whatever else the server said. */
import type { ReactNode } from "react";
import { Link } from "react-router";

import { Forbidden } from "../components";
import type { Permission } from "../types";
import { isStatus } from "./errors";
import { Failure } from "./Failure";
import { roleFor } from "./roles";
import { useMe } from "./session";

interface Props {
  /** As in “You cannot open …”. */
  what: string;
  permission: Permission;
  /** Views of a tenant's data are not for platform admins, who have no tenant. */
  tenantData?: boolean;
  children: ReactNode;
}

function Locked({ what, needs, requestId }: { what: string; needs: string | null; requestId?: string | null }) {
  const me = useMe();
  const admin = me.permissions.includes("admin:tenant") && me.tenant_id === null;
  return (
    <Forbidden what={what} needs={needs} tenant={me.tenant?.name ?? me.tenant_id} roles={me.roles} requestId={requestId}
      home={<Link className="btn primary" to={admin ? "/admin/tenants" : "/search"} data-testid="forbidden-home">{admin ? "Go to Admin" : "Go to Search"}</Link>} />
  );
}

/** Draws its children only for those who may see them; the address stays. */
export function Guard({ what, permission, tenantData = true, children }: Props) {
  const me = useMe();
  if (!me.permissions.includes(permission)) return <Locked what={what} needs={roleFor(permission)} />;
  if (tenantData && me.tenant_id === null) return <Locked what={`${what} without a tenant`} needs={null} />;
  return children;
}

/** A failed query of a whole view. */
export function ViewFailure({ error, what, permission, subject, onRetry }: {
  error: unknown; what: string; permission: Permission; subject?: string; onRetry?: () => void;
}) {
  if (isStatus(error, 403)) return <Locked what={what} needs={roleFor(permission)} requestId={error.requestId} />;
  return <Failure error={error} whole {...(subject ? { what: subject } : {})} {...(onRetry ? { onRetry } : {})} />;
}
