/** Everything that matches as a file of NDJSON. */
import { api } from "../../app/api";
import { ApiError } from "../../app/errors";
import { saveBlob } from "../../components";
import { queryOf, type SearchState } from "../../search/state";
import type { Span } from "../../time/range";

/** The last line of a complete export: `{"end": true, "count": n, "partial": false}`. */
export interface ExportEnd {
  count: number;
  partial: boolean;
}

/** Reads the whole answer and hands it to the browser as a download. Raises ApiError, also when it was cut short. */
export async function exportResults(state: SearchState, span: Span, signal: AbortSignal): Promise<ExportEnd> {
  const { limit: _, ...query } = queryOf(state, span, 1);
  const answer = await api.send("POST", "/search/export", query, { signal });
  const blob = await answer.blob();
  const end = lastLine(await blob.slice(Math.max(0, blob.size - 4096)).text());
  if (end === null) throw new ApiError(0, "cut_short", "the export ended before it was complete");
  saveBlob(blob, fileName(span));
  return end;
}

export function lastLine(tail: string): ExportEnd | null {
  const line = tail.trimEnd().split("\n").at(-1) ?? "";
  try {
    const end = JSON.parse(line) as { end?: unknown; count?: unknown; partial?: unknown };
    return end.end === true && typeof end.count === "number" ? { count: end.count, partial: end.partial === true } : null;
  } catch {
    return null;
  }
}

export function fileName(span: Span): string {
  const text = (ms: number) => new Date(ms).toISOString().slice(0, 19).replaceAll(/[:-]/g, "");
  return `observastack-${text(span.from)}-${text(span.to)}.ndjson`;
}
