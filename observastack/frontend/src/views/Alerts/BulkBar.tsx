import { Button, IconButton } from "../../components";
import type { AlertAction } from "../../types";

interface Props {
  count: number;
  reason: string | null;
  busy: boolean;
  onAction: (action: AlertAction) => void;
  onClear: () => void;
}

/** Floats over the list while something is selected. */
export function BulkBar({ count, reason, busy, onAction, onClear }: Props) {
  return (
    <div className="bulk" role="toolbar" aria-label={`Actions on ${count} selected alert${count === 1 ? "" : "s"}`} data-testid="bulk-bar">
      <b aria-live="polite">{count} selected</b>
      <Button variant="primary" icon="check" reason={reason} busy={busy} onClick={() => onAction("acknowledge")} title="Acknowledge (a)" data-testid="bulk-acknowledge">Acknowledge</Button>
      <Button icon="user" reason={reason} busy={busy} onClick={() => onAction("assign")} title="Assign (m)" data-testid="bulk-assign">Assign</Button>
      <Button icon="bell-off" reason={reason} busy={busy} onClick={() => onAction("silence")} title="Silence (s)" data-testid="bulk-silence">Silence</Button>
      <Button icon="check-circle" reason={reason} busy={busy} onClick={() => onAction("resolve")} title="Resolve (Shift r)" data-testid="bulk-resolve">Resolve</Button>
      <IconButton icon="close" label="Clear selection" onClick={onClear} data-testid="bulk-clear" />
    </div>
  );
}
