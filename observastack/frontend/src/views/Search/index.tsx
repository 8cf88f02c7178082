/** Search over all signals. The address bar holds the whole state; this turns it into questions and shows the answers. */
import { useCallback, useMemo, useRef, useState } from "react";

import { isStatus } from "../../app/errors";
import { Page } from "../../app/Page";
import { useCapabilities, useFlags, useMe } from "../../app/session";
import { copyText, useToast } from "../../components";
import { useLive } from "../../live/useLive";
import { idOf } from "../../search/display";
import { toggleFilter } from "../../search/filters";
import { stateOf } from "../../search/state";
import { fixed } from "../../time/range";
import type { Filter, Item, SignalType } from "../../types";
import { facetFields } from "./facetFields";
import { Facets } from "./Facets";
import { knownValues } from "./knownValues";
import { LineLinkContext } from "./lineLink";
import { LiveResults } from "./LiveResults";
import { Matches } from "./Matches";
import { PartialBanner } from "./PartialBanner";
import { QueryBar } from "./QueryBar";
import type { ListChoices, ListHandle } from "./ResultList";
import { NoTenant } from "./SearchFailure";
import { SignalTabs, SourcesDown } from "./SignalTabs";
import { StoredResults } from "./StoredResults";
import { useQuestion } from "./useQuestion";
import { LIVE_COUNTS_MS, useCounts, useResults } from "./useResults";
import { useSearchKeys } from "./useSearchKeys";
import "./search.css";

export default function Search() {
  const me = useMe();
  if (me.tenant_id === null) return <NoTenant />;
  return <SearchOfTenant />;
}

function SearchOfTenant() {
  const { time_zone: zone, default_range_s: defaultRangeS } = useMe().preferences;
  const question = useQuestion();
  const { state, span, run, change, ask, addressOf } = question;
  const [wrap, setWrap] = useState(false);
  const [editing, setEditing] = useState<number | "new" | null>(null);
  const [showFacets, setShowFacets] = useState(false);
  const toast = useToast();
  const rows = useRef<ListHandle>(null);

  const results = useResults(state, span, run, !state.live);
  const every = state.live ? LIVE_COUNTS_MS : undefined;
  const all = useCounts(state, "all", span, run, true, every);
  const narrowed = useCounts(state, state.type, span, run, state.type !== "all", every);
  const counts = state.type === "all" ? all : narrowed;
  const live = useLive(state, state.live);
  const liveReason = useLiveReason();

  const items = state.live ? live.buffer.shown : results.items;
  const fields = useMemo(() => facetFields(items), [items]);
  const known = useMemo(() => knownValues(items), [items]);

  const setFilters = (filters: Filter[]) => change({ filters, open: null });
  const setType = (type: SignalType) => change({ type, open: null });
  const addFilter = useCallback(
    (filter: Filter) => change({ filters: toggleFilter(state.filters, filter), open: null }),
    [change, state.filters],
  );
  const toggle = useCallback((id: string) => change({ open: state.open === id ? null : id }, true), [change, state.open]);
  const toggleLive = () => {
    if (liveReason === null) change({ live: !state.live, open: null, selection: null });
  };
  useSearchKeys({ question, items, rows, onFilter: () => setEditing("new"), onLive: toggleLive });

  const lineLink = useCallback((item: Item) => addressOf({ open: idOf(item) }), [addressOf]);
  const copyLink = async () => {
    const done = await copyText(addressOf({}));
    toast(done ? { tone: "ok", title: "Link copied", text: "It holds absolute times, so others see the same." } : { tone: "error", title: "Copying is not allowed here" });
  };

  const list: ListChoices = { openId: state.open, needle: state.text, zone, wrap, onToggle: toggle, onFilter: addFilter, handle: rows };
  return (
    <Page
      title="Search"
      tabs={<SignalTabs value={state.type} all={all} onChange={setType} />}
      tools={!state.live && <SourcesDown sources={results.sources} />}
    >
      <QueryBar
        state={state}
        zone={zone}
        running={results.loading}
        problem={isStatus(results.error, 400, 422) ? results.error.message : null}
        known={known}
        liveReason={liveReason}
        editing={editing}
        onEdit={setEditing}
        onRun={({ text, filters }) => ask({ text, filters: [...state.filters, ...filters], open: null, live: false })}
        onFilters={setFilters}
        onRange={(range) => change({ range, selection: null, open: null })}
        onLive={toggleLive}
      />
      {!state.live && <PartialBanner sources={results.sources} totals={all.stale ? undefined : all.data?.sources} busy={results.loading} onRetry={results.retry} />}
      <Matches
        counts={counts}
        results={results}
        state={state}
        zone={zone}
        onSelect={(selection) => change({ selection, open: null }, true)}
        onZoom={(selection) => change({ range: fixed(selection), selection: null, open: null })}
      />
      <div className={counts.data || counts.loading ? "split" : "stack"}>
        <Facets
          state={state}
          span={span}
          run={run}
          counts={counts.data}
          all={all.data}
          fields={fields}
          loading={counts.loading}
          onFilters={setFilters}
          onType={setType}
          hidden={!showFacets}
        />
        <section className="panel" id="results" role="tabpanel" aria-label="Results" aria-busy={results.loading && !state.live}>
          <h2 className="sr">{state.live ? "Live results" : "Results"}</h2>
          <LineLinkContext value={lineLink}>
            {state.live ? (
              <LiveResults live={live} list={list} onStop={toggleLive} />
            ) : (
              <StoredResults
                question={question}
                results={results}
                counts={counts}
                list={list}
                facetsShown={showFacets}
                onWrap={() => setWrap(!wrap)}
                onCopyLink={() => void copyLink()}
                onFacets={() => setShowFacets(!showFacets)}
                onHistory={(query) => ask(stateOf(query, defaultRangeS))}
                onChange={(wanted) => change(wanted)}
              />
            )}
          </LineLinkContext>
        </section>
      </div>
    </Page>
  );
}

/** Why live tail cannot be started; null when it can. */
function useLiveReason(): string | null {
  const flags = useFlags();
  const capabilities = useCapabilities()?.capabilities;
  if (capabilities && !capabilities.includes("live")) return "Live tail is not part of this deployment";
  return flags?.live_tail === false ? "Live tail is turned off for your tenant" : null;
}
