/** What the stores gave: the lines with their tools, or why there are none. */
import { isStatus } from "../../app/errors";
import { Button, Pager, Skeleton } from "../../components";
import type { SearchState, stateOf } from "../../search/state";
import { ExportButton } from "./ExportButton";
import { History } from "./History";
import { NothingFound } from "./NothingFound";
import { type ListChoices, ResultList } from "./ResultList";
import { ResultStats, totalOf } from "./ResultStats";
import { SearchFailure } from "./SearchFailure";
import type { Question } from "./useQuestion";
import type { Counts, Results } from "./useResults";

interface Props {
  question: Question;
  results: Results;
  counts: Counts;
  list: ListChoices;
  facetsShown: boolean;
  onWrap: () => void;
  onCopyLink: () => void;
  onFacets: () => void;
  onHistory: (query: Parameters<typeof stateOf>[0]) => void;
  onChange: (state: SearchState) => void;
}

export function StoredResults({ question, results, counts, list, facetsShown, onWrap, onCopyLink, onFacets, onHistory, onChange }: Props) {
  const { state, span, now } = question;
  const unreadable = isStatus(results.error, 400, 422);
  if (results.cancelled) {
    return (
      <div className="empty" data-testid="search-cancelled">
        <h2>The search was cancelled</h2>
        <p>Nothing is known about this range.</p>
        <Button onClick={question.again}>Run again</Button>
      </div>
    );
  }
  if (results.error && !unreadable) return <SearchFailure error={results.error} onRetry={results.retry} />;
  if (results.items.length === 0 && results.loading) return <LoadingRows />;
  const total = totalOf(counts, state);
  const shown = results.items.length;
  return (
    <div className={results.loading && results.stale ? "results-dim" : undefined}>
      <div className="rtools">
        <span data-testid="result-stats">
          <ResultStats shown={shown} total={total} state={state} hasMore={results.more !== null} />
        </span>
        {results.latencyMs !== null && (
          <span className="num hide-s">newest first, answered in {Math.round(results.latencyMs).toLocaleString("en")} ms</span>
        )}
        <div className="right">
          <Button size="sm" variant="ghost" icon="filter" className="only-s" pressed={facetsShown} onClick={onFacets}>
            Filters
          </Button>
          <Button size="sm" variant="ghost" icon="wrap" pressed={list.wrap} data-testid="result-wrap" onClick={onWrap}>
            Wrap
          </Button>
          <History onChoose={onHistory} />
          <Button size="sm" variant="ghost" icon="link" className="hide-s" data-testid="search-copy-link" onClick={onCopyLink}>
            Copy link
          </Button>
          <ExportButton state={state} span={span} />
        </div>
      </div>
      {shown > 0 ? (
        <>
          <ResultList {...list} items={results.items} label="Results, newest first" />
          <Pager
            shown={shown}
            total={total?.count ?? null}
            hasMore={results.more !== null}
            onMore={() => results.more?.load()}
            busy={results.more?.loading ?? false}
            more={`Load ${(results.more?.size ?? 0).toLocaleString("en")} older`}
            onFirst={() => scrollTo({ top: 0 })}
            atFirst={shown <= 100}
          />
        </>
      ) : (
        !unreadable && <NothingFound state={state} span={span} now={now} zone={list.zone} sources={results.sources} onChange={onChange} />
      )}
    </div>
  );
}

function LoadingRows() {
  return (
    <>
      <div className="rtools">
        <Skeleton width={150} />
      </div>
      <ol className="rows" aria-label="Results are loading">
        {Array.from({ length: 14 }, (_, index) => (
          <li key={index}>
            <div className="row" style={{ cursor: "default" }}>
              <Skeleton width={12} />
              <Skeleton width={76} />
              <Skeleton width={34} />
              <Skeleton width={88} />
              <Skeleton width={`${45 + ((index * 37) % 45)}%`} />
              <Skeleton width={30} />
            </div>
          </li>
        ))}
      </ol>
    </>
  );
}
