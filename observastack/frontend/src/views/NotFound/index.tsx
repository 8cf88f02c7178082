import { Link, useLocation } from "react-router";

import { Page } from "../../app/Page";
import { EmptyArt, EmptyState } from "../../components";

export default function NotFound() {
  const { pathname } = useLocation();
  return (
    <Page title="Not found">
      <div className="center">
        <EmptyState
          title="This page does not exist"
          art={<EmptyArt sign="search" />}
          data-testid="not-found"
          actions={
            <Link className="btn primary" to="/search" data-testid="not-found-home">
              Go to Search
            </Link>
          }
        >
          <p>
            Nothing is at <code>{pathname}</code>. The link may be old, or a part of it is missing.
          </p>
        </EmptyState>
      </div>
    </Page>
  );
}
