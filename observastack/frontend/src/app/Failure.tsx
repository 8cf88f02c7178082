/** What went wrong, drawn where the content would be: what is missing and what to do, never internals. */
import { Component, type ReactNode } from "react";
import { Link } from "react-router";

import { Button, copyText, EmptyState } from "../components";
import { ApiError } from "./errors";

interface Props {
  error: unknown;
  onRetry?: () => void;
  /** What does not exist on a 404: "This alert". */
  what?: string;
  /** Fills the page instead of a panel. */
  whole?: boolean;
}

export function Failure({ error, onRetry, what = "This page", whole = false }: Props) {
  const { title, text } = explain(error, what);
  const id = error instanceof ApiError ? error.requestId : null;
  const shown = (
    <EmptyState
      title={title}
      data-testid="failure"
      actions={
        <>
          {onRetry && (
            <Button icon="refresh" onClick={onRetry} data-testid="failure-retry">
              Try again
            </Button>
          )}
          {error instanceof ApiError && error.status === 404 && (
            <Link className="btn primary" to="/search">
              Go to Search
            </Link>
          )}
          {id && (
            <Button icon="copy" onClick={() => void copyText(id)}>
              Copy request id
            </Button>
          )}
        </>
      }
    >
      <p>{text}</p>
      {id && (
        <p className="muted" style={{ fontSize: "var(--fs-2)", marginTop: 6 }}>
          Request <code>{id}</code>
        </p>
      )}
    </EmptyState>
  );
  return whole ? <div className="center">{shown}</div> : shown;
}

export function explain(error: unknown, what = "This page"): { title: string; text: string } {
  if (!(error instanceof ApiError)) {
    return { title: "This page stopped working", text: "The fault is ours. Load the page again to go on." };
  }
  switch (error.status) {
    case 0:
      return { title: "The server cannot be reached", text: "Nothing was changed. Check the connection, then try again." };
    case 403:
      return { title: "You may not do this", text: sentence(error.message) };
    case 404:
      return { title: `${what} does not exist`, text: "It may have been removed, or the address is not complete." };
    case 429:
      return { title: "Too many requests", text: `The next one may start in ${error.retryAfterS ?? 60} s.` };
    case 501:
      return { title: "This is not supported here", text: sentence(error.message) };
    case 503:
      return { title: "The answer is not available", text: sentence(error.message) };
    default:
      return { title: "The request was not accepted", text: sentence(error.message) };
  }
}

/** The API's messages begin small and end bare, because they are parts of sentences there. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?]$/.test(trimmed) ? "" : ".");
}

/** Catches what a view throws while it is drawn, a script that a newer build has replaced included. */
export class Boundary extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }

  override render(): ReactNode {
    if (this.state.error === null) return this.props.children;
    return (
      <main id="main" tabIndex={-1}>
        <Failure whole error={this.state.error} onRetry={() => location.reload()} />
      </main>
    );
  }
}
