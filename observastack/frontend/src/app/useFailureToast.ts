/** A refused action, said at the corner: what was not done, why, and the request id that support can look up. */
import { useCallback } from "react";

import { humane } from "../alerts/words";
import { copyText, useToast } from "../components";
import { ApiError } from "./errors";
import { explain, sentence } from "./Failure";
import { useZone } from "./Moment";

export function useFailureToast(): (title: string, error: unknown) => void {
  const toast = useToast();
  const zone = useZone();
  return useCallback((title, error) => {
    if (!(error instanceof ApiError)) return toast({ tone: "error", title, text: "The page did not understand the answer." });
    if (error.status === 429) return toast({ tone: "warn", title: "Too many requests", text: `The next try may start in ${error.retryAfterS ?? 60} s.` });
    const text = error.status === 0 ? explain(error).text : sentence(humane(error.message, zone));
    const id = error.requestId;
    toast({ tone: "error", title, text, actions: id ? [{ label: "Copy request id", onPress: () => void copyText(id) }] : [] });
  }, [toast, zone]);
}
