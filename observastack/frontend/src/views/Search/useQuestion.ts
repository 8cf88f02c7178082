/** What the address bar asks, and the ways to ask something else. */
import { useCallback, useMemo, useState } from "react";
import { useSearchParams } from "react-router";

import { useMe } from "../../app/session";
import { forSharing, readState, type SearchState, writeState } from "../../search/state";
import { resolve, type Span } from "../../time/range";

export interface Question {
  state: SearchState;
  /** The moment of the question in milliseconds, the same for the list, the counts and the facets. */
  now: number;
  span: Span;
  /** Counts up each time the same question is asked again. */
  run: number;
  change: (part: Partial<SearchState>, replace?: boolean) => void;
  /** Another question is asked by its address; the same one again, now. */
  ask: (part: Partial<SearchState>) => void;
  again: () => void;
  /** An address for somebody else: absolute times, so that others see the same. */
  addressOf: (part: Partial<SearchState>) => string;
}

export function useQuestion(): Question {
  const defaultRangeS = useMe().preferences.default_range_s;
  const [parameters, setParameters] = useSearchParams();
  const state = useMemo(() => readState(parameters, defaultRangeS), [parameters, defaultRangeS]);
  const [run, setRun] = useState(0);
  const question = JSON.stringify([state.text, state.filters, state.type, state.range, state.live, run]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- a new question is asked now
  const now = useMemo(() => Date.now(), [question]);
  const span = useMemo(() => resolve(state.range, now), [state.range, now]);

  const change = useCallback(
    (part: Partial<SearchState>, replace = false) => {
      setParameters((current) => writeState({ ...readState(current, defaultRangeS), ...part }), { replace });
    },
    [setParameters, defaultRangeS],
  );
  const again = () => setRun((old) => old + 1);
  const ask = (part: Partial<SearchState>) => {
    const same = writeState({ ...state, ...part }).toString() === writeState(state).toString();
    if (same) again();
    else change(part);
  };
  const addressOf = useCallback(
    (part: Partial<SearchState>) => `${location.origin}/search?${writeState(forSharing({ ...state, ...part }, now)).toString()}`,
    [state, now],
  );
  return { state, now, span, run, change, ask, again, addressOf };
}
