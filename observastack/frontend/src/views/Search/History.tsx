/** What one asked before. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import { api } from "../../app/api";
import { Failure } from "../../app/Failure";
import { Button, EmptyState, Popover, SkeletonBlock } from "../../components";
import { formatAgo } from "../../format/duration";
import { fieldName, operatorWord, valueText } from "../../search/filters";
import type { HistoryEntry, Page, SearchQuery } from "../../types";

export function History({ onChoose }: { onChoose: (query: SearchQuery) => void }) {
  return (
    <Popover
      label="Search history"
      align="end"
      className="search-history"
      data-testid="search-history-menu"
      trigger={{ variant: "ghost", size: "sm", icon: "history", children: "History", className: "hide-s", "data-testid": "search-history" }}
    >
      {(close) => (
        <Entries
          onChoose={(query) => {
            close();
            onChoose(query);
          }}
        />
      )}
    </Popover>
  );
}

function Entries({ onChoose }: { onChoose: (query: SearchQuery) => void }) {
  const client = useQueryClient();
  const history = useQuery({
    queryKey: ["history"],
    queryFn: ({ signal }) => api.get<Page<HistoryEntry>>("/search/history", { limit: 50 }, { signal }),
    staleTime: 0,
  });
  const clear = useMutation({
    mutationFn: () => api.del("/search/history"),
    onSuccess: () => client.setQueryData<Page<HistoryEntry>>(["history"], { items: [], next_cursor: null }),
  });
  if (history.error) return <Failure error={history.error} onRetry={() => void history.refetch()} />;
  if (!history.data) {
    return (
      <div style={{ padding: 12 }}>
        <SkeletonBlock lines={5} label="Loading the history" />
      </div>
    );
  }
  const entries = distinct(history.data.items);
  if (entries.length === 0) {
    return (
      <EmptyState level={3} title="No searches yet">
        <p>Queries that you run are kept here, for you only.</p>
      </EmptyState>
    );
  }
  return (
    <>
      <ul className="entries">
        {entries.map((entry) => (
          <li key={entry.id}>
            <button type="button" data-testid="search-history-entry" data-id={entry.id} onClick={() => onChoose(entry.query)}>
              <span className="mono trunc">{queryText(entry.query)}</span>
              <span className="end num">
                {entry.matched.toLocaleString("en")} · {formatAgo(Date.parse(entry.ts), Date.now())}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <hr />
      <div className="flex between" style={{ padding: "2px 8px 4px" }}>
        <span className="muted" style={{ fontSize: "var(--fs-1)" }}>
          Only you see this
        </span>
        <Button size="sm" variant="ghost" busy={clear.isPending} data-testid="search-history-clear" onClick={() => clear.mutate()}>
          Clear
        </Button>
      </div>
    </>
  );
}

/** The same question asked again shows once, at its latest time. */
function distinct(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    const text = queryText(entry.query);
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
}

export function queryText(query: SearchQuery): string {
  const parts = (query.filters ?? []).map((filter) => `${fieldName(filter.field)} ${operatorWord(filter)} ${valueText(filter)}`.trim());
  if (query.free_text) parts.push(query.free_text);
  const text = parts.join(", ") || "everything";
  return query.type === "all" ? text : `${text} in ${query.type}`;
}
