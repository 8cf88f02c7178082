/** Foot of a list that is read by cursor: there is a next part and a beginning, but no page numbers. */
import { Button } from "./Button";

export interface PagerProps {
  shown: number;
  /** `null` when the server does not count. */
  total: number | null;
  /** Said after the numbers, for example the order. */
  note?: string | undefined;
  hasMore: boolean;
  onMore: () => void;
  /** Back to the first part; the button is off where this already is the first. */
  onFirst?: (() => void) | undefined;
  atFirst?: boolean | undefined;
  more?: string | undefined;
  first?: string | undefined;
  busy?: boolean | undefined;
}

/** “1 – 11 of 23, worst and newest first”. */
export function pagerText(shown: number, total: number | null, hasMore: boolean, note?: string): string {
  const of = total === null ? (hasMore ? ", more to come" : "") : ` of ${total.toLocaleString("en")}`;
  const range = shown === 0 ? "0" : `1 – ${shown.toLocaleString("en")}`;
  return `${range}${of}${note ? `, ${note}` : ""}`;
}

export function Pager({ shown, total, note, hasMore, onMore, onFirst, atFirst = false, more = "Load more", first = "Newest", busy = false }: PagerProps) {
  return (
    <div className="pager" data-testid="pager">
      <span className="num">{pagerText(shown, total, hasMore, note)}</span>
      <div className="right">
        {onFirst && <Button size="sm" onClick={onFirst} disabled={atFirst} data-testid="pager-first">{first}</Button>}
        {hasMore && <Button size="sm" icon="chevron-down" onClick={onMore} busy={busy} data-testid="pager-next">{more}</Button>}
      </div>
    </div>
  );
}
