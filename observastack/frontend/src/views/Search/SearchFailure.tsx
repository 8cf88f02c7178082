/** Why there is nothing to search in, or no answer. */
import { isStatus } from "../../app/errors";
import { Failure } from "../../app/Failure";
import { Page } from "../../app/Page";
import { roleFor } from "../../app/roles";
import { useMe } from "../../app/session";
import { Button, Forbidden } from "../../components";

export function SearchFailure({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const me = useMe();
  if (isStatus(error, 403)) {
    return (
      <Forbidden
        what="the search"
        needs={roleFor("search:read")}
        tenant={me.tenant?.name ?? me.tenant_id}
        roles={me.roles}
        requestId={error.requestId}
        home={null}
      />
    );
  }
  if (isStatus(error, 503)) {
    return (
      <div className="empty" data-testid="search-unavailable">
        <h2>No source answered</h2>
        <p>Nothing is known about this range.</p>
        <Button icon="refresh" onClick={onRetry}>
          Try again
        </Button>
        {error.requestId && (
          <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
            Request <code>{error.requestId}</code>
          </p>
        )}
      </div>
    );
  }
  return <Failure error={error} onRetry={onRetry} />;
}

export function NoTenant() {
  const me = useMe();
  return (
    <Page title="Search">
      <Forbidden what="the search of a tenant" needs={null} tenant={null} roles={me.roles} home={<a className="btn primary" href="/admin/tenants">Go to Admin</a>} />
    </Page>
  );
}
