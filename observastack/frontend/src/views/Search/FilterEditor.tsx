/** One filter in three fields. What can be chosen comes from the results on the page. */
import { type FormEvent, useEffect, useId, useRef, useState } from "react";

import { Button, Icon } from "../../components";
import { FIELDS, OPERATORS, SEVERITIES, wordOf } from "../../search/filters";
import type { Filter, Operator } from "../../types";

interface Props {
  filter: Filter | null;
  known: ReadonlyMap<string, readonly string[]>;
  onSave: (filter: Filter) => void;
  onClose: () => void;
}

const NUMBERS = new Set(["duration_ns", "value", "status", "kind"]);

export function FilterEditor({ filter, known, onSave, onClose }: Props) {
  const [field, setField] = useState(filter?.field ?? "");
  const [operator, setOperator] = useState<Operator>(filter?.operator ?? "equals");
  const [value, setValue] = useState(() => textOf(filter));
  const [error, setError] = useState<{ field: "field" | "value"; text: string } | null>(null);
  const first = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => first.current?.focus(), []);
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) onClose();
    };
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [onClose]);
  const save = (event: FormEvent) => {
    event.preventDefault();
    const made = filterOf(complete(field.trim(), known), operator, value);
    if ("text" in made) setError(made);
    else onSave(made);
  };
  const values = field === "severity" ? SEVERITIES : (known.get(complete(field.trim(), known)) ?? []);
  return (
    <div
      ref={box}
      className="menu filter-editor"
      role="dialog"
      aria-label={filter ? "Edit filter" : "Add a filter"}
      data-testid="search-filter-editor"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        event.stopPropagation();
        onClose();
      }}
    >
      <form onSubmit={save} noValidate>
      <div className="field">
        <label htmlFor={`${id}-field`}>Field</label>
        <input
          id={`${id}-field`}
          ref={first}
          className="input mono"
          list={`${id}-fields`}
          value={field}
          autoComplete="off"
          spellCheck={false}
          placeholder="service"
          data-testid="filter-field"
          aria-invalid={error?.field === "field" || undefined}
          aria-describedby={error?.field === "field" ? `${id}-error` : undefined}
          onChange={(event) => {
            setField(event.target.value);
            setError(null);
          }}
        />
        <datalist id={`${id}-fields`}>
          {[...FIELDS, ...known.keys()].map((name) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </div>
      <div className="field">
        <label htmlFor={`${id}-operator`}>Condition</label>
        <select
          id={`${id}-operator`}
          className="select"
          value={operator}
          data-testid="filter-operator"
          onChange={(event) => setOperator(event.target.value as Operator)}
        >
          {OPERATORS.map((name) => (
            <option key={name} value={name}>
              {wordOf(name)}
            </option>
          ))}
        </select>
      </div>
      {operator !== "exists" && (
        <div className="field">
          <label htmlFor={`${id}-value`}>Value</label>
          <input
            id={`${id}-value`}
            className="input mono"
            list={`${id}-values`}
            value={value}
            autoComplete="off"
            spellCheck={false}
            placeholder={operator === "range" ? "100..500" : undefined}
            data-testid="filter-value"
            aria-invalid={error?.field === "value" || undefined}
            aria-describedby={error?.field === "value" ? `${id}-error` : undefined}
            onChange={(event) => {
              setValue(event.target.value);
              setError(null);
            }}
          />
          <datalist id={`${id}-values`}>
            {values.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </div>
      )}
      {error && (
        <p className="field" id={`${id}-error`} role="alert">
          <span className="err">
            <Icon name="error" small />
            {error.text}
          </span>
        </p>
      )}
      <div className="flex" style={{ justifyContent: "flex-end" }}>
        <Button variant="ghost" size="sm" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="primary" size="sm" type="submit" data-testid="filter-save">
          {filter ? "Change filter" : "Add filter"}
        </Button>
      </div>
      </form>
    </div>
  );
}

function textOf(filter: Filter | null): string {
  if (filter === null || filter.operator === "exists") return "";
  if (filter.operator === "range") return (filter.value as unknown[]).map(String).join("..");
  return String(filter.value);
}

/** A bare key means the attribute, when the results have one of that name. */
function complete(field: string, known: Props["known"]): string {
  if ((FIELDS as readonly string[]).includes(field) || /^(attributes|resource)\../.test(field) || field === "") return field;
  return ["attributes", "resource"].map((place) => `${place}.${field}`).find((name) => known.has(name)) ?? `attributes.${field}`;
}

function filterOf(field: string, operator: Operator, value: string): Filter | { field: "field" | "value"; text: string } {
  if (field === "") return { field: "field", text: "Name a field, for example service." };
  if (operator === "exists") return { field, operator, value: true };
  if (operator === "range") {
    const bounds = value.split("..").map((part) => Number(part));
    if (bounds.length !== 2 || bounds.some((bound) => !Number.isFinite(bound)) || value.trim() === "") {
      return { field: "value", text: "Write two numbers, as in 100..500." };
    }
    return { field, operator, value: bounds };
  }
  if (value === "") return { field: "value", text: "Write a value." };
  const numeric = operator === "gt" || operator === "lt" || NUMBERS.has(field);
  if (!numeric) return { field, operator, value };
  if (field === "severity" && (SEVERITIES as readonly string[]).includes(value)) return { field, operator, value };
  if (!Number.isFinite(Number(value))) return { field: "value", text: "This condition needs a number." };
  return { field, operator, value: Number(value) };
}
