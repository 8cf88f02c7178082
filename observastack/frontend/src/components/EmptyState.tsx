/** What a place says when there is nothing: what is so, why, and what can be done. */
import type { ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export interface EmptyStateProps {
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  /** Small drawing above; `art` is the large one for whole pages. */
  icon?: IconName | undefined;
  art?: ReactNode;
  /** Level of the heading. */
  level?: 2 | 3 | undefined;
  "data-testid"?: string | undefined;
}

export function EmptyState({ title, children, actions, icon, art, level = 2, "data-testid": testId = "empty-state" }: EmptyStateProps) {
  const Heading = level === 2 ? "h2" : "h3";
  return (
    <div className={level === 2 ? "empty" : "empty small"} data-testid={testId}>
      {art}
      {icon && <Icon name={icon} />}
      <Heading>{title}</Heading>
      {children && <div className="empty-text">{children}</div>}
      {actions && <div className="flex" style={{ marginTop: 10, justifyContent: "center" }}>{actions}</div>}
    </div>
  );
}

const bars = (
  <>
    <rect x="8" y="6" width="60" height="11" rx="3" opacity=".5" />
    <rect x="28" y="24" width="76" height="11" rx="3" opacity=".5" />
    <rect x="52" y="42" width="50" height="11" rx="3" opacity=".5" />
    <circle cx="118" cy="30" r="18" fill="var(--bg)" />
  </>
);

/** Empty bars of a waterfall with a sign: a lock, or a magnifier. */
export function EmptyArt({ sign }: { sign: "lock" | "search" }) {
  return (
    <svg className="art" viewBox="0 0 148 58" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      {bars}
      {sign === "lock"
        ? <><rect x="110" y="28" width="16" height="12" rx="2.5" /><path d="M113 28v-4a5 5 0 0 1 10 0v4" /></>
        : <><circle cx="116" cy="28" r="6.5" /><path d="m121 33 5 5" /></>}
    </svg>
  );
}
