/** Choices that become PromQL. */
import { useState } from "react";

import { Button, FilterChip, Input, Popover, Select, SelectField, TextField } from "../../components";
import { REDUCTIONS, windowed, type Built, type LabelMatch } from "../../metrics/promql";
import { useLabelNames, useLabelValues } from "../../metrics/queries";

const WINDOWS = [["1m", "1 minute"], ["5m", "5 minutes"], ["15m", "15 minutes"], ["1h", "1 hour"], ["6h", "6 hours"], ["1d", "1 day"]] as const;
const OPERATORS: readonly { value: LabelMatch["operator"]; label: string }[] = [
  { value: "=", label: "is" }, { value: "!=", label: "is not" }, { value: "=~", label: "matches" }, { value: "!~", label: "does not match" },
];

function word(operator: LabelMatch["operator"]): string {
  return OPERATORS.find(({ value }) => value === operator)?.label ?? operator;
}

function LabelEditor({ labels, initial, onDone }: { labels: readonly string[]; initial?: LabelMatch; onDone: (match: LabelMatch) => void }) {
  const [label, setLabel] = useState(initial?.label ?? labels[0] ?? "");
  const [operator, setOperator] = useState<LabelMatch["operator"]>(initial?.operator ?? "=");
  const [value, setValue] = useState(initial?.value ?? "");
  const values = useLabelValues(label);
  return (
    <form style={{ display: "grid", gap: 8, padding: 6, width: 280 }} onSubmit={(event) => {
      event.preventDefault();
      event.stopPropagation();
      if (label) onDone({ label, operator, value });
    }}>
      <SelectField label="Label" value={label} onChange={setLabel} choices={labels.map((name) => ({ value: name, label: name }))} data-testid="metric-label-name" />
      <div className="flex nowrap-flex">
        <Select fit aria-label="Operator" value={operator} onChange={(next) => setOperator(next as LabelMatch["operator"])} choices={OPERATORS} />
        <Input mono aria-label="Value" list="metric-label-values" autoComplete="off" value={value} onChange={(event) => setValue(event.target.value)} data-testid="metric-label-value" />
      </div>
      <datalist id="metric-label-values">{values.data?.slice(0, 200).map((each) => <option key={each} value={each} />)}</datalist>
      <Button type="submit" variant="primary" data-testid="metric-label-add">{initial ? "Change" : "Add"} label filter</Button>
    </form>
  );
}

export function Builder({ value, names, onChange }: { value: Built; names: readonly string[]; onChange: (value: Built) => void }) {
  const labels = useLabelNames();
  const known = (labels.data ?? []).filter((label) => label !== "__name__" && label !== "tenant" && label !== "le");
  const group = value.by[0] ?? "";
  const groups = [...new Set(["service", ...known, ...value.by])];
  const set = (change: Partial<Built>) => onChange({ ...value, ...change });
  return (
    <div style={{ display: "grid", gridTemplateColumns: "repeat(auto-fit, minmax(170px, 1fr))", gap: 10 }}>
      <div>
        <TextField label="Metric" mono list="metric-names" autoComplete="off" spellCheck={false} value={value.metric} data-testid="metric-name" onChange={(event) => set({ metric: event.target.value.trim() })} />
        <datalist id="metric-names">{names.slice(0, 1000).map((name) => <option key={name} value={name} />)}</datalist>
      </div>
      <SelectField label="Function" value={value.reduction} choices={REDUCTIONS} onChange={(reduction) => set({ reduction: reduction as Built["reduction"] })} data-testid="metric-function" />
      <SelectField label="Group by" value={value.reduction === "value" ? "" : group} disabled={value.reduction === "value"} onChange={(label) => set({ by: label ? [label, ...value.by.slice(1)] : [] })} data-testid="metric-group"
        choices={[{ value: "", label: "nothing" }, ...groups.map((label) => ({ value: label, label }))]} />
      <SelectField label="Window" value={value.window} disabled={!windowed(value.reduction)} onChange={(window) => set({ window })} data-testid="metric-window"
        choices={[...WINDOWS.map(([each, label]) => ({ value: each as string, label: label as string })), ...(WINDOWS.some(([each]) => each === value.window) ? [] : [{ value: value.window, label: value.window }])]} />
      <div className="field">
        <span className="lbl" id="metric-filters">Label filters</span>
        <div className="flex" role="group" aria-labelledby="metric-filters" style={{ minHeight: "var(--ctl)", gap: 4 }}>
          {value.filters.map((filter, index) => (
            <FilterChip key={`${filter.label}${index}`} field={filter.label} operator={word(filter.operator)} value={filter.value || "(empty)"} negated={filter.operator.startsWith("!")}
              data-testid="metric-filter-chip" onRemove={() => set({ filters: value.filters.filter((_, at) => at !== index) })} />
          ))}
          <Popover label="Add a label filter" trigger={{ className: "add-matcher", size: "sm", icon: "plus", children: "Label", "data-testid": "metric-add-filter" }}>
            {(close) => (
              <LabelEditor labels={known} onDone={(match) => {
                set({ filters: [...value.filters, match] });
                close();
              }} />
            )}
          </Popover>
        </div>
      </div>
    </div>
  );
}
