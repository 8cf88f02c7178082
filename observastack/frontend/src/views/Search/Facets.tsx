/** Values with their counts; checking narrows the search. */
import { type CSSProperties, useState } from "react";

import { useCapabilities } from "../../app/session";
import { answered } from "../../app/sources";
import { IconButton, Skeleton, serviceColour } from "../../components";
import { keyColour } from "../../charts";
import { choose, chosen, fieldName, SEVERITIES, toggleFilter } from "../../search/filters";
import type { SearchState } from "../../search/state";
import type { Span } from "../../time/range";
import type { Aggregate, Filter, Signal } from "../../types";
import { useFacet } from "./useResults";

const SHOWN = 5;

interface Props {
  state: SearchState;
  span: Span;
  run: number;
  counts: Aggregate | undefined;
  /** Of the query over all signals. */
  all: Aggregate | undefined;
  fields: readonly string[];
  loading: boolean;
  onFilters: (filters: Filter[]) => void;
  onType: (type: SearchState["type"]) => void;
  /** On phones they lie behind a button. */
  hidden: boolean;
}

export function Facets({ state, span, run, counts, all, fields, loading, onFilters, onType, hidden }: Props) {
  const className = hidden ? "facets hide-s" : "facets";
  if (counts === undefined && loading) {
    return (
      <aside className={className} aria-label="Facets" aria-busy="true" data-testid="facets">
        {[4, 5, 3].map((lines, index) => (
          <section className="facet" key={index}>
            {Array.from({ length: lines + 1 }, (_, line) => (
              <div key={line} style={{ padding: "7px 0" }}>
                <Skeleton width={line === 0 ? 70 : `${92 - line * 9}%`} />
              </div>
            ))}
          </section>
        ))}
      </aside>
    );
  }
  if (counts === undefined) return null;
  const own = (field: string) => state.filters.some((filter) => filter.field === field);
  const common = { state, span, run, onFilters };
  return (
    <aside className={className} aria-label="Facets" data-testid="facets">
      {(state.type === "all" || state.type === "logs") && (
        <Facet {...common} field="severity" title="Severity" counted={own("severity") ? undefined : counts.facets.severity} />
      )}
      <Facet {...common} field="service" title="Service" counted={own("service") ? undefined : counts.facets.service} />
      <SourceFacet state={state} all={all} onType={onType} />
      {fields.map((field) => (
        <Facet key={field} {...common} field={field} title={fieldName(field)} />
      ))}
    </aside>
  );
}

/** counted: what is known already; without it the facet asks for itself. */
function Facet({
  state,
  span,
  run,
  onFilters,
  field,
  title,
  counted,
}: Pick<Props, "state" | "span" | "run" | "onFilters"> & {
  field: string;
  title: string;
  counted?: Record<string, number> | undefined;
}) {
  const [whole, setWhole] = useState(false);
  const asked = useFacet(state, field, span, run, counted === undefined);
  const values = counted ?? asked;
  const checked = chosen(state.filters, field);
  if (values === undefined) return null;
  const entries = order(field, values, checked);
  if (entries.length === 0) return null;
  const highest = Math.max(1, ...entries.map(([, count]) => count));
  const shown = whole || field === "severity" ? entries : entries.slice(0, Math.max(SHOWN, checked.length));
  const slug = fieldName(field).replace(/[^a-zA-Z0-9]+/g, "-").toLowerCase();
  return (
    <section className="facet" aria-label={title}>
      <h3>
        {title}
        <span>{entries.length > SHOWN ? entries.length : ""}</span>
      </h3>
      <ul>
        {shown.map(([value, count]) => (
          <li key={value}>
            <label title={value}>
              <input
                type="checkbox"
                className="check"
                checked={checked.includes(value)}
                data-testid={`facet-${slug}-${value.replace(/[^a-zA-Z0-9_.]+/g, "-")}`}
                onChange={() =>
                  onFilters(
                    choose(
                      state.filters,
                      field,
                      checked.includes(value) ? checked.filter((one) => one !== value) : [...checked, value],
                    ),
                  )
                }
              />
              <span className="trunc">{value}</span>
            </label>
            <span className="bar" aria-hidden="true">
              <i style={{ width: share(count, highest), "--c": colourOf(field, value) } as CSSProperties} />
            </span>
            <span className="n">{count.toLocaleString("en")}</span>
            <IconButton
              icon="minus"
              size="sm"
              className="not"
              label={`Without ${title.toLowerCase()} ${value}`}
              onClick={() => onFilters(toggleFilter(state.filters, { field, operator: "not_equals", value }))}
            />
          </li>
        ))}
      </ul>
      {entries.length > shown.length && (
        <button className="more" type="button" onClick={() => setWhole(true)}>
          Show {entries.length} values
        </button>
      )}
      {whole && entries.length > SHOWN && (
        <button className="more" type="button" onClick={() => setWhole(false)}>
          Show fewer
        </button>
      )}
    </section>
  );
}

/** One signal or all: the API has no two of three. */
function SourceFacet({ state, all, onType }: Pick<Props, "state" | "all" | "onType">) {
  const stores = useCapabilities()?.stores;
  if (all === undefined) return null;
  const signals = (["logs", "traces", "metrics"] as const).filter((signal) => all.sources[signal] !== undefined);
  const highest = Math.max(1, ...signals.map((signal) => all.sources[signal]?.count ?? 0));
  return (
    <section className="facet" aria-label="Source">
      <h3>Source</h3>
      <ul>
        {signals.map((signal: Signal) => {
          const status = all.sources[signal];
          const known = status !== undefined && answered(status);
          const store = status?.implementation ?? stores?.[signal] ?? "embedded";
          return (
            <li key={signal} title={known ? undefined : `${signal}: no answer`}>
              <label>
                <input
                  type="checkbox"
                  className="check"
                  checked={state.type === signal}
                  data-testid={`facet-source-${signal}`}
                  onChange={() => onType(state.type === signal ? "all" : signal)}
                />
                <span className="trunc">{store === "embedded" ? signal : store}</span>
              </label>
              <span className="bar" aria-hidden="true">
                <i style={{ width: known ? share(status.count, highest) : 0 }} />
              </span>
              <span className="n">{known ? status.count.toLocaleString("en") : "?"}</span>
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** Severities by weight, other values by count; checked ones stay in sight even when nothing matches any more. */
function order(field: string, values: Record<string, number>, checked: readonly string[]): [string, number][] {
  const all = { ...Object.fromEntries(checked.map((value) => [value, 0])), ...values };
  if (field === "severity") {
    return [...SEVERITIES].reverse().flatMap((name): [string, number][] => (all[name] === undefined ? [] : [[name, all[name]]]));
  }
  return Object.entries(all)
    .filter(([value]) => value !== "")
    .sort(([a, one], [b, other]) => other - one || a.localeCompare(b));
}

/** Little is still visible; nothing is nothing. */
function share(count: number, highest: number): string {
  return count === 0 ? "0" : `${Math.max(4, (100 * count) / highest)}%`;
}

function colourOf(field: string, value: string): string | undefined {
  if (field === "severity") return keyColour(value);
  return field === "service" ? serviceColour(value) : undefined;
}
