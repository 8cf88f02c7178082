/** A 403, drawn where the page would be: the address stays, and it says which role would do. */
import type { ReactNode } from "react";
import { Button } from "./Button";
import { EmptyArt, EmptyState } from "./EmptyState";
import { copyText } from "./copy";

export interface ForbiddenProps {
  /** “the audit log”, as in “You cannot open the audit log”. */
  what: string;
  /** The role that may; `null` when it is not a matter of roles. */
  needs: string | null;
  tenant: string | null;
  roles: readonly string[];
  requestId?: string | null | undefined;
  /** A link to somewhere that may be opened. */
  home: ReactNode;
}

export function Forbidden({ what, needs, tenant, roles, requestId, home }: ForbiddenProps) {
  return (
    <div className="center">
      <EmptyState title={`You cannot open ${what}`} art={<EmptyArt sign="lock" />} data-testid="forbidden"
        actions={
          <>
            {home}
            {requestId && <Button icon="copy" onClick={() => void copyText(requestId)}>Copy request id</Button>}
          </>
        }>
        <p>
          {needs && <>It needs the role <code>{needs}</code>. </>}
          You are signed in{tenant ? ` to ${tenant}` : ""} as <code>{roles.join(", ") || "a user without a role"}</code>.
          {needs && " A tenant admin can change that."}
        </p>
        {requestId && (
          <p className="muted" style={{ fontSize: "var(--fs-2)", marginTop: 6 }}>
            403 · request <code>{requestId}</code> · this attempt was logged
          </p>
        )}
      </EmptyState>
    </div>
  );
}
