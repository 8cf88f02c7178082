/** What the pages of administration share: who may open them, and the ribbon of those who see all tenants. */
import type { ReactNode } from "react";

import { Page } from "../../app/Page";
import { Guard } from "../../app/Refused";
import { useMe } from "../../app/session";
import { Icon } from "../../components";

export function AdminPage({ title, what, children }: { title: string; what: string; children: ReactNode }) {
  const me = useMe();
  return (
    <Page title={title}>
      {me.permissions.includes("admin:platform") && (
        <div className="ribbon inside" role="note" data-testid="scope-ribbon"><Icon name="shield" small />You see every tenant here. Each look and each change is written to the audit log.</div>
      )}
      <Guard what={what} permission="admin:tenant" tenantData={false}>{children}</Guard>
    </Page>
  );
}
