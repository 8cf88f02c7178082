/** A view's frame: the sticky bar with heading and tools, and the main part that takes the focus after navigation. */
import { type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation } from "react-router";

import { Icon, initials } from "../components";
import { useToggleTheme } from "./preferences";

import { useMe } from "./session";
import { useShell } from "./shell";

let lastPath: string | null = null;

interface Props {
  /** For the browser's title. */
  title: string;
  /** Instead of a heading with the title. */
  heading?: ReactNode;
  /** Tabs beside the heading. */
  tabs?: ReactNode;
  /** Tools on the right, before those of the shell. */
  tools?: ReactNode;
  children: ReactNode;
}

export function Page({ title, heading, tabs, tools, children }: Props) {
  const me = useMe();
  const { showShortcuts } = useShell();
  const toggleTheme = useToggleTheme();
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  useEffect(() => {
    document.title = `${title} · ObservaStack`;
  }, [title]);
  useEffect(() => {
    // Not on the first page: the skip link must stay the first stop.
    if (lastPath !== null && lastPath !== pathname) {
      main.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    lastPath = pathname;
  }, [pathname]);
  return (
    <>
      <header className="top">
        {heading ?? <h1>{title}</h1>}
        {tabs}
        <div className="right">
          {me.tenant_id && (
            <span className="badge line only-s" title="Tenant">
              {me.tenant_id}
            </span>
          )}
          {tools}
          <button
            className="btn icon ghost hide-s"
            type="button"
            aria-label="Keyboard shortcuts"
            title="Keyboard shortcuts (?)"
            data-testid="shortcuts-open"
            onClick={showShortcuts}
          >
            <Icon name="keyboard" small />
          </button>
          <button
            className="btn icon ghost"
            type="button"
            aria-label="Switch light and dark"
            title="Switch light and dark (t)"
            data-testid="theme-toggle"
            onClick={toggleTheme}
          >
            <Icon name="theme" small />
          </button>
          <Link className="only-s" to="/profile" aria-label={`${initials(me.name)}, profile of ${me.name}`}>
            <span className="avatar">{initials(me.name)}</span>
          </Link>
        </div>
      </header>
      <main id="main" tabIndex={-1} ref={main}>
        {children}
      </main>
    </>
  );
}
