/** Nothing matched: whether that is certain, and what would match. Each suggestion was counted before it is offered. */
import { useQuery } from "@tanstack/react-query";

import { api } from "../../app/api";
import { answered } from "../../app/sources";
import { Button, EmptyArt, EmptyState, Icon } from "../../components";
import { fieldName, operatorWord, valueText } from "../../search/filters";
import { queryOf, type SearchState } from "../../search/state";
import { last, lastSeconds, resolve, type Span, title } from "../../time/range";
import type { Aggregate, Filter, Sources } from "../../types";
import type { Zone } from "../../time/clock";
import { list } from "./PartialBanner";

interface Change {
  label: string;
  to: SearchState;
  span: Span;
}

interface Props {
  state: SearchState;
  span: Span;
  now: number;
  zone: Zone;
  sources: Sources;
  onChange: (state: SearchState) => void;
}

export function NothingFound({ state, span, now, zone, sources, onChange }: Props) {
  const suggestions = useQuery({
    queryKey: ["suggestions", JSON.stringify([state, span])],
    queryFn: async ({ signal }) => {
      const counted = await Promise.all(
        changes(state, span, now).map(async (change) => {
          const { limit: _, ...query } = queryOf(change.to, change.span, 1);
          const answer = await api.post<Aggregate>("/search/aggregate", { ...query, buckets: 1 }, { signal });
          return { ...change, count: answer.total };
        }),
      );
      return counted.filter(({ count }) => count > 0);
    },
    retry: false,
  });
  const asked = Object.values(sources);
  const all = asked.every(answered);
  const silent = Object.entries(sources).filter(([, status]) => !answered(status)).map(([name]) => name);
  const where = state.selection
    ? "in the selection"
    : lastSeconds(state.range) === null
      ? `in ${title(state.range, now, zone)}`
      : `in the last ${inWords(lastSeconds(state.range) ?? 0)}`;
  return (
    <EmptyState title={`Nothing matched ${where}`} art={<EmptyArt sign="search" />}>
      <p>
        {all
          ? `${asked.length > 1 ? `All ${["", "", "two", "three"][asked.length] ?? asked.length} sources` : "The source"} answered, so this is a true zero.`
          : `${list(silent)} did not answer, so there may be matches that are not known.`}
      </p>
      {(state.text || state.filters.length > 0) && (
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
          Looked for{" "}
          {[
            ...(state.text ? [`“${state.text}”`] : []),
            ...state.filters.map((filter) => `${fieldName(filter.field)} ${operatorWord(filter)} ${valueText(filter)}`.trim()),
          ].join(", ")}
        </p>
      )}
      {suggestions.data && suggestions.data.length > 0 && (
        <ul className="suggestions" aria-label="What would match">
          {suggestions.data.map(({ label, to, count }) => (
            <li key={label}>
              <Button size="sm" data-testid="empty-suggestion" onClick={() => onChange(to)}>
                {label}
                <span className="muted num">{count.toLocaleString("en")}</span>
              </Button>
            </li>
          ))}
        </ul>
      )}
      {suggestions.data?.length === 0 && (
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
          <Icon name="info" small /> Neither a longer range nor fewer conditions would match.
        </p>
      )}
    </EmptyState>
  );
}

/** "30 minutes", "hour", "7 days". */
export function inWords(seconds: number): string {
  const units: [number, string][] = [[86_400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [size, name] = units.find(([unit]) => seconds >= unit && seconds % unit === 0) ?? [1, "second"];
  const count = seconds / size;
  return count === 1 ? name : `${count} ${name}s`;
}

/** Smallest changes first: one condition less, then more time. */
export function changes(state: SearchState, span: Span, now: number): Change[] {
  const wanted: Change[] = [];
  const base = { ...state, selection: null, open: null };
  if (state.selection) wanted.push({ label: "Without the selection", to: base, span });
  for (const filter of state.filters.slice(0, 3)) {
    wanted.push({ label: `Without ${nameOf(filter)}`, to: { ...base, filters: state.filters.filter((one) => one !== filter) }, span });
  }
  if (state.text) wanted.push({ label: `Without “${state.text}”`, to: { ...base, text: "" }, span });
  if (state.type !== "all") wanted.push({ label: "In all signals", to: { ...base, type: "all" }, span });
  const length = (span.to - span.from) / 1000;
  for (const seconds of [86_400, 604_800]) {
    if (length < seconds) {
      const range = last(seconds);
      wanted.push({ label: `In the last ${seconds === 86_400 ? "24 hours" : "7 days"}`, to: { ...base, range }, span: resolve(range, now) });
    }
  }
  return wanted;
}

function nameOf(filter: Filter): string {
  return `${fieldName(filter.field)} ${operatorWord(filter)} ${valueText(filter)}`.trim();
}
