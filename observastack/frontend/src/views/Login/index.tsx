/** Sign in with a local account or at the identity provider, whichever this deployment has. */
import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Navigate, useNavigate, useSearchParams } from "react-router";

import { auth } from "../../app/auth";
import { ADMIN, DESTINATIONS } from "../../app/destinations";
import { ApiError, isStatus } from "../../app/errors";
import { explain } from "../../app/Failure";
import { Logo } from "../../app/Logo";
import { safeNext } from "../../app/oidc";
import { useStatus } from "../../app/session";
import { Button, Icon } from "../../components";
import { WaterfallArt } from "./WaterfallArt";

export default function Login() {
  const [parameters] = useSearchParams();
  const next = safeNext(parameters.get("next"));
  const status = useStatus();
  const navigate = useNavigate();
  const info = useQuery({ queryKey: ["auth-info"], queryFn: () => auth().info(), staleTime: Number.POSITIVE_INFINITY });
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const username = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);

  useEffect(() => {
    document.title = "Sign in · ObservaStack";
    void auth().start();
  }, []);
  if (status === "signed-in") return <Navigate replace to={next} />;

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(null);
    try {
      await work();
    } catch (reason) {
      setError(reason);
      setBusy(false);
      if (isStatus(reason, 401)) password.current?.select();
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void attempt(async () => {
      await auth().login(username.current?.value ?? "", password.current?.value ?? "");
      await navigate(next, { replace: true });
    });
  };
  const wrong = isStatus(error, 401);
  const back = destinationOf(next);
  const local = info.data?.method !== "oidc";
  return (
    <>
      <a className="skip" href="#main">
        Skip to sign-in
      </a>
      <div className="login">
        <aside className="login-art" aria-label="About">
          <span className="brand">
            <Logo />
            <span>ObservaStack</span>
          </span>
          <WaterfallArt />
          <p className="tag">See the whole request, and only what is yours.</p>
        </aside>
        <main id="main" tabIndex={-1}>
          <div className="login-card">
            <span className="brand only-s" style={{ padding: 0, height: "auto" }}>
              <Logo />
              <span>ObservaStack</span>
            </span>
            <div>
              <h1>Sign in</h1>
              <p className="muted">
                {back ? `You will return to ${back}.` : "Your organisation decides which tenant you see."}
              </p>
            </div>
            {error !== null && <Refusal error={error} />}
            {info.error && error === null && <Refusal error={info.error} />}
            {info.data && !local && (
              <Button
                variant="primary"
                size="lg"
                icon="lock"
                busy={busy}
                data-testid="login-oidc"
                onClick={() => void attempt(() => auth().beginSingleSignOn(next))}
              >
                Continue with single sign-on
              </Button>
            )}
            {info.data && local && (
              <form style={{ display: "grid", gap: 14 }} onSubmit={submit} data-testid="login-form">
                <div className="field">
                  <label htmlFor="login-username">User name</label>
                  <input
                    id="login-username"
                    className="input"
                    autoComplete="username"
                    autoCapitalize="none"
                    spellCheck={false}
                    required
                    ref={username}
                    data-testid="login-username"
                  />
                </div>
                <div className="field">
                  <label htmlFor="login-password">Password</label>
                  <input
                    id="login-password"
                    className="input"
                    type="password"
                    autoComplete="current-password"
                    required
                    ref={password}
                    data-testid="login-password"
                    aria-invalid={wrong || undefined}
                    aria-describedby={wrong ? "login-again" : undefined}
                  />
                  {wrong && (
                    <span className="err" id="login-again">
                      <Icon name="error" small />
                      Type it again
                    </span>
                  )}
                </div>
                <Button type="submit" variant="primary" size="lg" busy={busy} data-testid="login-submit">
                  Sign in
                </Button>
              </form>
            )}
            {error instanceof ApiError && error.requestId ? (
              <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
                Request <code>{error.requestId}</code>
              </p>
            ) : (
              <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
                No account? Ask an admin of your tenant.
              </p>
            )}
          </div>
        </main>
      </div>
    </>
  );
}

function Refusal({ error }: { error: unknown }) {
  const { title, text } = refusal(error);
  return (
    <div className="banner error" role="alert" data-testid="login-error">
      <Icon name="error" />
      <div>
        <b>{title}</b>
        <br />
        {text}
      </div>
    </div>
  );
}

function refusal(error: unknown): { title: string; text: string } {
  if (isStatus(error, 401)) return { title: "Name or password is wrong.", text: "Check both, then try again." };
  if (isStatus(error, 403) && error.code === "tenant_suspended") {
    return { title: "Your tenant is suspended.", text: "Nobody of it can sign in until it is active again." };
  }
  if (isStatus(error, 403) && error.code === "tenant_required") {
    return { title: "Your account has no single tenant.", text: "It must belong to exactly one. Ask an admin." };
  }
  if (isStatus(error, 429)) {
    return { title: "Too many tries.", text: `Sign-in pauses. The next try may start in ${error.retryAfterS ?? 60} s.` };
  }
  const { title, text } = explain(error, "This sign-in");
  return { title: `${title}.`, text };
}

function destinationOf(next: string): string | null {
  if (next === "/") return null;
  const path = next.split(/[?#]/)[0] ?? "";
  if (path.startsWith("/traces/")) return "the trace";
  if (path === "/profile") return "your profile";
  return [...DESTINATIONS, ADMIN].find((one) => path === one.path || path.startsWith(`${one.path}/`))?.name ?? null;
}
