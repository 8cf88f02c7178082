/** Asks what an action needs to know: whom, how long, why. The same dialog for one alert and for many. */
import { useState } from "react";

import { useZone } from "../app/Moment";
import { useMe } from "../app/session";
import { useNow } from "../app/useNow";
import { Button, Dialog, SelectField, TextField } from "../components";
import type { AlertAction } from "../types";
import { DURATIONS, durationLabel } from "./words";

export interface Answers {
  assignee?: string | null;
  note?: string;
  duration_s?: number;
}

interface Props {
  action: AlertAction | null;
  count: number;
  /** Names that were seen on alerts, to choose from. */
  people: readonly string[];
  busy: boolean;
  error: string | null;
  onConfirm: (answers: Answers) => void;
  onClose: () => void;
}

const TITLES: Record<AlertAction, string> = { acknowledge: "Acknowledge", assign: "Assign", silence: "Silence", resolve: "Resolve" };

export function ActionDialog(props: Props) {
  // Opened again, it starts with nothing typed.
  return <Asking key={props.action ?? "closed"} {...props} />;
}

function Asking({ action, count, people, busy, error, onConfirm, onClose }: Props) {
  const me = useMe();
  const now = useNow();
  const zone = useZone();
  const [assignee, setAssignee] = useState(me.preferred_username);
  const [note, setNote] = useState("");
  const [duration, setDuration] = useState(3600);
  const what = `${count} alert${count === 1 ? "" : "s"}`;
  const confirm = () => {
    const answers: Answers = {};
    if (action === "assign") answers.assignee = assignee.trim() || null;
    if (action === "silence") answers.duration_s = duration;
    if (note.trim()) answers.note = note.trim();
    onConfirm(answers);
  };
  return (
    <Dialog open={action !== null} onClose={onClose} busy={busy} title={action ? `${TITLES[action]} ${what}` : ""} onSubmit={confirm} data-testid="bulk-dialog"
      footer={action && (
        <>
          <Button onClick={onClose} data-testid="bulk-dialog-cancel">Cancel</Button>
          <Button variant="primary" type="submit" busy={busy} data-testid="bulk-dialog-confirm">{TITLES[action]}</Button>
        </>
      )}>
      {action === "assign" && (
        <>
          <TextField label="Assign to" autoFocus value={assignee} list="assign-people" autoComplete="off" error={error}
            hint="A user name of this tenant. Empty takes it from everybody." data-testid="assign-to" onChange={(event) => setAssignee(event.target.value)} />
          <datalist id="assign-people">{[...new Set([me.preferred_username, ...people])].map((name) => <option key={name} value={name} />)}</datalist>
        </>
      )}
      {action === "silence" && (
        <SelectField label="For" autoFocus value={String(duration)} data-testid="silence-duration" onChange={(value) => setDuration(Number(value))}
          choices={DURATIONS.map(({ seconds }) => ({ value: String(seconds), label: durationLabel(seconds, now, zone) }))}
          hint="Each selected alert is silenced by its labels; it fires on in the source." />
      )}
      {action === "resolve" && <p>The source may still be firing. If it reports again, the alert fires again.</p>}
      <TextField label={action === "silence" ? "Reason" : "Note"} value={note} maxLength={1000} data-testid={action === "silence" ? "silence-reason" : "action-note"}
        placeholder="Shown in the history and the audit log" onChange={(event) => setNote(event.target.value)} />
      {error && action !== "assign" && <p role="alert" style={{ color: "var(--error)" }}>{error}</p>}
    </Dialog>
  );
}
