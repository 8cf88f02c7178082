/** Filters, text, range, live, run: one line that says what is asked. */
import { type KeyboardEvent, useEffect, useRef, useState } from "react";

import { AddChip, Button, FilterChip, Icon, TimeRangePicker } from "../../components";
import { fieldName, operatorWord, takeFilters, valueText } from "../../search/filters";
import type { SearchState } from "../../search/state";
import type { Zone } from "../../time/clock";
import type { Range } from "../../time/range";
import type { Filter } from "../../types";
import { FilterEditor } from "./FilterEditor";

interface Props {
  state: SearchState;
  zone: Zone;
  running: boolean;
  /** Said at the field: this query cannot be read. */
  problem: string | null;
  /** Fields and values seen in the results, for suggestions. */
  known: ReadonlyMap<string, readonly string[]>;
  liveReason: string | null;
  onRun: (change: { text: string; filters: Filter[] }) => void;
  onFilters: (filters: Filter[]) => void;
  onRange: (range: Range) => void;
  onLive: () => void;
  /** Filter being edited: an index, "new", or none. */
  editing: number | "new" | null;
  onEdit: (which: number | "new" | null) => void;
}

export function QueryBar({
  state,
  zone,
  running,
  problem,
  known,
  liveReason,
  onRun,
  onFilters,
  onRange,
  onLive,
  editing,
  onEdit,
}: Props) {
  const [text, setText] = useState(state.text);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => setText(state.text), [state.text]);

  const run = () => {
    const taken = takeFilters(text);
    setText(taken.text);
    onRun({ text: taken.text, filters: taken.filters });
  };
  const keys = (event: KeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter") {
      event.preventDefault();
      run();
    }
    if (event.key === "Backspace" && text === "" && state.filters.length > 0) onFilters(state.filters.slice(0, -1));
    if (event.key === "Escape") input.current?.blur();
  };
  const editor = (filter: Filter | null, save: (filter: Filter) => void) => (
    <FilterEditor
      filter={filter}
      known={known}
      onClose={() => {
        onEdit(null);
        input.current?.focus();
      }}
      onSave={(changed) => {
        onEdit(null);
        save(changed);
        input.current?.focus();
      }}
    />
  );
  return (
    <search className="query" aria-label="Signals">
      <div className="qbar">
        <div className="qbox" data-invalid={problem === null ? undefined : ""}>
          <Icon name="search" />
          {state.filters.map((filter, index) => (
            <span className="rel" key={`${filter.field}-${index}`}>
              <FilterChip
                field={fieldName(filter.field)}
                operator={operatorWord(filter)}
                value={valueText(filter)}
                negated={filter.operator === "not_equals" || (filter.operator === "exists" && filter.value === false)}
                onEdit={() => onEdit(editing === index ? null : index)}
                onRemove={() => onFilters(state.filters.filter((_, other) => other !== index))}
              />
              {editing === index &&
                editor(filter, (changed) => onFilters(state.filters.map((old, other) => (other === index ? changed : old))))}
            </span>
          ))}
          <span className="rel">
            <AddChip data-testid="search-add-filter" onClick={() => onEdit(editing === "new" ? null : "new")}>
              Filter
            </AddChip>
            {editing === "new" && editor(null, (added) => onFilters([...state.filters, added]))}
          </span>
          <input
            ref={input}
            aria-label="Search text"
            data-testid="search-input"
            placeholder={`Search text in ${state.type === "all" ? "all signals" : state.type}`}
            value={text}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            aria-invalid={problem === null ? undefined : true}
            aria-describedby={problem === null ? undefined : "query-problem"}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={keys}
          />
          <kbd className="hide-s" aria-hidden="true">
            /
          </kbd>
        </div>
        <span className="rel">
          <TimeRangePicker value={state.range} tz={zone} live={state.live} onChange={onRange} />
        </span>
        <Button
          variant="live"
          icon={state.live ? "pause" : "play"}
          pressed={state.live}
          reason={liveReason}
          title="Start or stop live tail (l)"
          data-testid="live-toggle"
          onClick={onLive}
        >
          {state.live ? "Live" : "Live tail"}
        </Button>
        <Button variant="primary" title="Run the query (Ctrl Enter)" data-testid="search-run" aria-busy={running} onClick={run}>
          Run
        </Button>
      </div>
      {problem !== null && (
        <p className="field" id="query-problem" role="alert" data-testid="query-problem">
          <span className="err">
            <Icon name="error" small />
            This query cannot be read: {problem}
          </span>
        </p>
      )}
    </search>
  );
}
