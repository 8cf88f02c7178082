/** The session is over, the page is not: it stays behind the dialog, and the way back to it is kept. */
import { useEffect, useRef, useState } from "react";
import { useLocation, useNavigate } from "react-router";

import { Button, Dialog, Icon } from "../components";
import { auth } from "./auth";
import { liveStop } from "./live-stop";

export function SessionDialog() {
  const [endedAt] = useState(() => new Date());
  const { pathname, search, hash } = useLocation();
  const navigate = useNavigate();
  const signIn = (next: string) => {
    auth().leave();
    void navigate(next === "" ? "/login" : `/login?next=${encodeURIComponent(next)}`);
  };
  const stopped = liveStop();
  const again = useRef<HTMLButtonElement>(null);
  useEffect(() => again.current?.focus(), []);
  return (
    <Dialog
      open
      mustAnswer
      onClose={() => undefined}
      title={
        <span className="flex">
          <span style={{ color: "var(--warn)", display: "inline-flex" }}>
            <Icon name="clock" />
          </span>
          Your session ended at {endedAt.toISOString().slice(11, 16)} UTC
        </span>
      }
      data-testid="session-dialog"
      footer={
        <>
          <Button variant="ghost" onClick={() => signIn("")}>
            Sign in as someone else
          </Button>
          <Button variant="primary" ref={again} data-testid="session-signin" onClick={() => signIn(pathname + search + hash)}>
            Sign in again
          </Button>
        </>
      }
    >
      <p>Sign in again and you come back to this page, with the query, the time range and the open line as they are now.</p>
      {stopped && (
        <p className="muted">Live tail stopped at {stopped.toISOString().slice(11, 19)}; it goes on from there.</p>
      )}
    </Dialog>
  );
}
