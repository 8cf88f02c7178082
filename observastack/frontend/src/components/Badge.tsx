/** Small labels. Colour never stands alone: the word or an icon is always there. */
import type { CSSProperties, ReactNode } from "react";
import { Icon, type IconName } from "./Icon";
import { serviceColour } from "./serviceColours";

export type BadgeKind = "neutral" | "fatal" | "error" | "warn" | "info" | "ok" | "accent" | "line";

export interface BadgeProps {
  kind?: BadgeKind | undefined;
  icon?: IconName | undefined;
  children: ReactNode;
  title?: string | undefined;
}

export function Badge({ kind = "neutral", icon, children, title }: BadgeProps) {
  return (
    <span className={kind === "neutral" ? "badge" : `badge ${kind}`} title={title}>
      {icon && <Icon name={icon} />}
      {children}
    </span>
  );
}

/** Monospaced name or `key=value`. */
export function Label({ children, icon, className }: { children: ReactNode; icon?: IconName; className?: string }) {
  return (
    <span className={["label", icon ? "with-icon" : "", className ?? ""].filter(Boolean).join(" ")}>
      {icon && <Icon name={icon} small />}
      {children}
    </span>
  );
}

const statuses: Record<string, { kind: BadgeKind; icon?: IconName }> = {
  active: { kind: "error", icon: "bolt" },
  acknowledged: { kind: "info", icon: "check" },
  silenced: { kind: "neutral", icon: "bell-off" },
  resolved: { kind: "ok", icon: "check-circle" },
  pending: { kind: "info", icon: "clock" },
  expired: { kind: "neutral", icon: "history" },
  suspended: { kind: "warn", icon: "pause" },
};

/** Status of an alert or a silence. */
export function StatusBadge({ status }: { status: string }) {
  const { kind, icon } = statuses[status] ?? { kind: "neutral" as const };
  return <Badge kind={kind} icon={icon}>{status}</Badge>;
}

const severities: Record<string, { tone: string; word: string }> = {
  critical: { tone: "fatal", word: "CRIT" },
  fatal: { tone: "fatal", word: "FATAL" },
  error: { tone: "error", word: "ERROR" },
  warning: { tone: "warn", word: "WARN" },
  warn: { tone: "warn", word: "WARN" },
  info: { tone: "info", word: "INFO" },
  debug: { tone: "debug", word: "DEBUG" },
  trace: { tone: "debug", word: "TRACE" },
};

/** Severity of a log record, span or alert as a coloured word; anything unknown as it came, in capitals. */
export function SevText({ severity }: { severity: string }) {
  const known = severities[severity.toLowerCase()];
  return <span className={`sev ${known?.tone ?? "debug"}`}>{known?.word ?? severity.toUpperCase()}</span>;
}

/** A service with its colour; `null` is a dash. */
export function ServiceTag({ service }: { service: string | null | undefined }) {
  if (!service) return <span className="muted">–</span>;
  return (
    <span className="svc" style={{ "--c": serviceColour(service) } as CSSProperties}>
      <i />
      <span className="trunc" title={service}>{service}</span>
    </span>
  );
}

/** Up to two initials of a name or a user name. */
export function initials(name: string): string {
  const words = name.split(/[\s._@-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0]?.[0], words.at(-1)?.[0]] : [name.slice(0, 2)];
  return letters.join("").toUpperCase();
}

function tone(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 4;
  return ["", " b", " c", " d"][sum] ?? "";
}

/** Decoration beside a name, which is always written out. */
export function Avatar({ name, small = false, large = false }: { name: string | null; small?: boolean; large?: boolean }) {
  const size = large ? { width: 48, height: 48, fontSize: "1rem" } : undefined;
  const base = small ? "avatar sm" : "avatar";
  return (
    <span className={name ? base + tone(name) : `${base} none`} style={size} aria-hidden="true">
      {name ? initials(name) : "–"}
    </span>
  );
}

/** Who has it: picture and name, or nobody. */
export function Assignee({ name }: { name: string | null }) {
  return (
    <span className="flex nowrap-flex">
      <Avatar name={name} small />
      <span className={name ? "trunc" : "muted"}>{name ?? "nobody"}</span>
    </span>
  );
}
