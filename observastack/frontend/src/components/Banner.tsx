/** Something about the whole page that must be read before its content. */
import type { ReactNode } from "react";
import { Icon } from "./Icon";

export interface BannerProps {
  tone: "warn" | "error" | "info";
  title: ReactNode;
  children?: ReactNode;
  actions?: ReactNode;
  "data-testid"?: string | undefined;
}

export function Banner({ tone, title, children, actions, "data-testid": testId }: BannerProps) {
  return (
    <div className={tone === "warn" ? "banner" : `banner ${tone}`} role={tone === "error" ? "alert" : "status"} data-testid={testId}>
      <Icon name={tone === "warn" ? "warning" : tone === "error" ? "error" : "info"} />
      <div><b>{title}</b>{children && <> {children}</>}</div>
      {actions && <div className="right">{actions}</div>}
    </div>
  );
}
