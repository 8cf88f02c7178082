import type { ErrorEnvelope } from "../types";

/** An answer that is an error, or none at all (status 0: the server cannot be reached). */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Shown where support could need it. */
    readonly requestId: string | null = null,
    readonly details: Record<string, unknown>[] = [],
    /** Seconds until the next try makes sense (429, 503). */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

/** The error of an answer: by the envelope when there is one, else by its status. */
export async function errorOf(answer: Response): Promise<ApiError> {
  const id = answer.headers.get("x-request-id");
  const after = Number.parseInt(answer.headers.get("retry-after") ?? "", 10);
  const retryAfter = Number.isFinite(after) ? after : null;
  try {
    const { error } = (await answer.json()) as ErrorEnvelope;
    return new ApiError(answer.status, error.code, error.message, error.request_id || id, error.details, retryAfter);
  } catch {
    return new ApiError(answer.status, "unknown", `the server answered ${answer.status}`, id, [], retryAfter);
  }
}

export function isStatus(error: unknown, ...statuses: number[]): error is ApiError {
  return error instanceof ApiError && statuses.includes(error.status);
}
