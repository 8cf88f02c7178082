/** Alerts as they change: each announcement makes what is shown be read again. Without a stream the views poll. */
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { auth } from "../app/auth";
import { connect, LiveClient } from "../live/client";

/** A storm of alerts is one reading, not hundreds. */
const GATHER_MS = 400;

export function useLiveAlerts(): void {
  const client = useQueryClient();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stream = new LiveClient(new URLSearchParams({ types: "alerts" }), null, {
      onStatus: () => undefined,
      onItems: () => undefined,
      onExpired: () => undefined,
      onAlert: () => {
        timer ??= setTimeout(() => {
          timer = undefined;
          void client.invalidateQueries({ queryKey: ["alerts"] });
        }, GATHER_MS);
      },
    }, { connect, session: auth(), now: () => Date.now() });
    stream.start();
    return () => {
      clearTimeout(timer);
      stream.stop();
    };
  }, [client]);
}
