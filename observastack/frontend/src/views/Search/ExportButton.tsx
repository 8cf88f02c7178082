/** All lines of the question as a file; why not, when that is not allowed. */
import { useState } from "react";

import { isStatus } from "../../app/errors";
import { roleFor } from "../../app/roles";
import { useCan, useFlags } from "../../app/session";
import { Button, useToast } from "../../components";
import type { SearchState } from "../../search/state";
import type { Span } from "../../time/range";
import { exportResults } from "./exporting";

export function ExportButton({ state, span }: { state: SearchState; span: Span }) {
  const allowed = useCan("search:export");
  const flags = useFlags();
  const toast = useToast();
  const [busy, setBusy] = useState(false);
  const reason = !allowed
    ? `Needs the role ${roleFor("search:export")}`
    : flags?.export === false
      ? "Export is turned off for your tenant"
      : null;
  const start = async () => {
    setBusy(true);
    try {
      const end = await exportResults(state, span, new AbortController().signal);
      const lines = `${end.count.toLocaleString("en")} ${end.count === 1 ? "line" : "lines"}`;
      if (end.partial) toast({ tone: "warn", title: `Exported ${lines}, not all`, text: "A source did not answer: the file is not complete." });
      else toast({ tone: "ok", title: `Exported ${lines}` });
    } catch (error) {
      toast({
        tone: "error",
        title: "The export did not finish",
        text: isStatus(error, 429) ? `The next one may start in ${error.retryAfterS ?? 60} s.` : "No file was kept. Try again, or a shorter range.",
      });
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button size="sm" variant="ghost" icon="download" reason={reason} busy={busy} data-testid="search-export" onClick={() => void start()}>
      Export
    </Button>
  );
}
