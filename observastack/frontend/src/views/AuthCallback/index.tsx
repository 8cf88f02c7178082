/** Where the identity provider sends people back to. */
import { useEffect, useState } from "react";
import { Link, useNavigate } from "react-router";

import { auth } from "../../app/auth";
import { explain } from "../../app/Failure";
import { ApiError } from "../../app/errors";
import { EmptyState } from "../../components";

// The code is good for one use, and development mode runs effects twice.
let completing: Promise<string> | null = null;

export default function AuthCallback() {
  const navigate = useNavigate();
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    document.title = "Signing in · ObservaStack";
    completing ??= auth().completeSingleSignOn(new URLSearchParams(location.search));
    let current = true;
    completing.then(
      (next) => current && void navigate(next, { replace: true }),
      (reason: unknown) => current && setError(reason),
    );
    return () => {
      current = false;
    };
  }, [navigate]);
  return (
    <main id="main" tabIndex={-1}>
      <div className="center">
        {error === null ? (
          <p role="status" className="muted">
            Signing in…
          </p>
        ) : (
          <EmptyState
            title="Sign-in did not finish"
            data-testid="login-error"
            actions={
              <Link className="btn primary" to="/login">
                Sign in again
              </Link>
            }
          >
            <p role="alert">{reasonOf(error)}</p>
          </EmptyState>
        )}
      </div>
    </main>
  );
}

function reasonOf(error: unknown): string {
  if (error instanceof ApiError && error.code === "state") {
    return "It was started in another tab, or this page was loaded twice. Nothing was changed.";
  }
  if (error instanceof ApiError && error.code === "access_denied") return "The identity provider refused the sign-in.";
  return explain(error).text;
}
