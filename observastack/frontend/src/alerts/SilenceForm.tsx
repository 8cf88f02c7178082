/** Matchers, length and reason of a silence. The tenant is always matched; the server adds it. */
import { useState } from "react";

import { ApiError } from "../app/errors";
import { sentence } from "../app/Failure";
import { useZone } from "../app/Moment";
import { useMissing } from "../app/permission";
import { useMe } from "../app/session";
import { useFailureToast } from "../app/useFailureToast";
import { useNow } from "../app/useNow";
import { Button, FilterChip, Input, Label, Popover, Select, SelectField, TextField, useToast } from "../components";
import type { Alert, Matcher, Silence } from "../types";
import { useAlerts, useSaveSilence } from "./queries";
import { DURATIONS, durationLabel, fits, humane, operatorOf } from "./words";

interface Props {
  /** To start from. */
  matchers: readonly Matcher[];
  /** The silence to change; without it a new one is made. */
  silence?: Silence | undefined;
  /** Labels to choose from. */
  suggestions?: Readonly<Record<string, string>> | undefined;
  onDone?: (() => void) | undefined;
}

const OPERATORS = [
  { value: "=", label: "is" }, { value: "!=", label: "is not" }, { value: "=~", label: "matches" }, { value: "!~", label: "does not match" },
];

function MatcherEditor({ suggestions, onAdd }: { suggestions: Readonly<Record<string, string>>; onAdd: (matcher: Matcher) => void }) {
  const [name, setName] = useState("");
  const [operator, setOperator] = useState("=");
  const [value, setValue] = useState("");
  const wrong = name !== "" && !/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) ? "Letters, digits and _ only" : null;
  return (
    <form style={{ display: "grid", gap: 8, padding: 6, width: 280 }} onSubmit={(event) => {
      event.preventDefault();
      event.stopPropagation();
      if (name && !wrong) onAdd({ name, value, is_regex: operator.endsWith("~"), is_equal: operator.startsWith("=") });
    }}>
      <TextField label="Label" mono list="matcher-labels" autoComplete="off" value={name} error={wrong} data-testid="matcher-name"
        onChange={(event) => {
          setName(event.target.value);
          const known = suggestions[event.target.value];
          if (known !== undefined && value === "") setValue(known);
        }} />
      <datalist id="matcher-labels">{Object.keys(suggestions).map((label) => <option key={label} value={label} />)}</datalist>
      <div className="flex nowrap-flex">
        <Select aria-label="Operator" fit value={operator} choices={OPERATORS} onChange={setOperator} />
        <Input aria-label="Value" mono value={value} onChange={(event) => setValue(event.target.value)} data-testid="matcher-value" />
      </div>
      <Button type="submit" variant="primary" disabled={!name || wrong !== null} data-testid="matcher-add">Add matcher</Button>
    </form>
  );
}

function matchText(count: number, more: boolean): string {
  return `Matches ${count}${more ? " or more" : ""} alert${count === 1 ? "" : "s"} now.`;
}

export function SilenceForm({ matchers: initial, silence, suggestions = {}, onDone }: Props) {
  const me = useMe();
  const now = useNow();
  const zone = useZone();
  const toast = useToast();
  const failed = useFailureToast();
  const reason = useMissing("alerts:write");
  const save = useSaveSilence();
  const open = useAlerts({ status: undefined });
  const [matchers, setMatchers] = useState<Matcher[]>(() => [...initial]);
  const [duration, setDuration] = useState(3600);
  const [comment, setComment] = useState(silence?.comment ?? "");
  const [tried, setTried] = useState(false);

  const loaded = open.data?.pages.flatMap((page) => page.items) ?? [];
  const matched = (alerts: readonly Alert[]) => alerts.filter((alert) => alert.status !== "resolved" && matchers.every((matcher) => fits(matcher, alert.labels))).length;
  const noMatcher = matchers.length === 0 ? "Give it one matcher besides the tenant." : null;
  const noComment = comment.trim() === "" ? "Say why, for those who find it." : null;
  const submit = () => {
    setTried(true);
    if (noMatcher || noComment || reason) return;
    const draft = { matchers, comment: comment.trim(), ends_at: new Date(Date.now() + duration * 1000).toISOString() };
    save.mutate({ id: silence?.id ?? null, draft }, {
      onSuccess: (made) => {
        toast({ tone: "ok", title: silence ? "Silence changed" : "Silence created", text: `${matchText(made.matched, false)} It ends ${durationLabel(duration, Date.now(), zone).split(", ")[1] ?? "later"}.`.replace("ends until", "ends at") });
        setTried(false);
        onDone?.();
      },
      onError: (error) => { if (!(error instanceof ApiError) || error.status !== 422) failed(silence ? "The silence was not changed" : "The silence was not created", error); },
    });
  };
  const refused = save.error instanceof ApiError && save.error.status === 422 ? sentence(humane(save.error.message, zone)) : null;
  return (
    <div style={{ display: "grid", gap: 10 }} data-testid="silence-form">
      <div>
        <span className="lbl">Matchers</span>
        <div className="flex" style={{ gap: 4, marginTop: 4 }}>
          <Label icon="lock">tenant={me.tenant_id}</Label>
          {matchers.map((matcher) => (
            <FilterChip key={`${matcher.name}${matcher.value}`} field={matcher.name} operator={operatorOf(matcher)} value={matcher.value || "(empty)"} negated={!matcher.is_equal}
              data-testid="silence-matcher" onRemove={() => setMatchers(matchers.filter((each) => each !== matcher))} />
          ))}
          <Popover label="Add a matcher" trigger={{ className: "add-matcher", icon: "plus", size: "sm", children: "Matcher", "data-testid": "silence-add-matcher" }}>
            {(close) => (
              <MatcherEditor suggestions={suggestions} onAdd={(matcher) => {
                setMatchers([...matchers, matcher]);
                close();
              }} />
            )}
          </Popover>
        </div>
        {tried && noMatcher && <span className="field"><span className="err" role="alert">{noMatcher}</span></span>}
      </div>
      <SelectField label="For" value={String(duration)} onChange={(value) => setDuration(Number(value))} data-testid="silence-duration"
        choices={DURATIONS.map(({ seconds }) => ({ value: String(seconds), label: durationLabel(seconds, now, zone) }))} />
      <TextField label="Reason" value={comment} maxLength={1000} placeholder="Shown in the audit log" error={tried ? noComment : null} data-testid="silence-reason"
        onChange={(event) => setComment(event.target.value)} />
      {refused && <p role="alert" style={{ color: "var(--error)" }}>{refused}</p>}
      <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
        {matchers.length > 0 && `${matchText(matched(loaded), open.hasNextPage)} `}Tenant is always matched and cannot be removed.
      </p>
      <Button variant={silence ? "primary" : "default"} reason={reason} busy={save.isPending} onClick={submit} data-testid="silence-create">{silence ? "Save silence" : "Create silence"}</Button>
    </div>
  );
}
