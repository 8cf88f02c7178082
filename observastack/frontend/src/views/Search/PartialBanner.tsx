/** Says which signals are missing and why; what is shown below is all that the others have. */
import { useCapabilities } from "../../app/session";
import { answered, SIGNALS } from "../../app/sources";
import { Button, Icon } from "../../components";
import type { Signal, Sources } from "../../types";

interface Props {
  sources: Sources;
  /** Counts of the whole range, where they are known. */
  totals: Sources | undefined;
  busy: boolean;
  onRetry: () => void;
}

export function PartialBanner({ sources, totals, busy, onRetry }: Props) {
  const stores = useCapabilities()?.stores;
  const asked = SIGNALS.filter((signal) => sources[signal] !== undefined);
  const missing = asked.filter((signal) => !has(sources, signal));
  const cut = asked.filter((signal) => sources[signal]?.status === "partial");
  if (missing.length === 0 && cut.length === 0) return null;
  const complete = asked.filter((signal) => sources[signal]?.status === "ok");
  const name = (signal: Signal) => {
    const store = sources[signal]?.implementation ?? stores?.[signal] ?? "embedded";
    return store === "embedded" ? `the store of ${signal}` : capital(store);
  };
  const short = (signal: Signal) => {
    const store = sources[signal]?.implementation ?? stores?.[signal] ?? "embedded";
    return store === "embedded" ? signal : store;
  };
  const countOf = (signal: Signal) => {
    const total = totals?.[signal];
    if (total && answered(total)) return total.count.toLocaleString("en");
    return `${(sources[signal]?.count ?? 0).toLocaleString("en")} shown`;
  };
  const why = [...missing, ...cut].map((signal) => {
    const status = sources[signal];
    if (status?.status === "timeout") return `${capital(name(signal))} did not answer in time.`;
    if (status?.status === "partial") return `${capital(name(signal))} was not searched to the end of the range.`;
    return `${capital(name(signal))} did not answer.`;
  });
  const title =
    missing.length > 0
      ? `Partial result: ${list(missing)} are missing.`
      : `Partial result: ${list(cut)} may not be complete.`;
  const again = missing.length > 0 ? missing : cut;
  return (
    <div className="banner" role="alert" data-testid="partial-banner">
      <Icon name="warning" />
      <div>
        <b>{title}</b> {why.join(" ")}
        {complete.length > 0 && ` ${capital(list(complete))} below are complete.`}
        <ul className="sources">
          {asked.map((signal) => {
            const status = sources[signal];
            const known = has(sources, signal);
            return (
              <li key={signal}>
                <i className={`dot ${known ? (status?.status === "partial" ? "warn" : "") : "error"}`} />
                <span>
                  {short(signal)}, {known ? countOf(signal) : (status?.reason ?? "no answer")}
                  {known && status?.latency_ms !== undefined && ` in ${Math.round(status.latency_ms)} ms`}
                </span>
              </li>
            );
          })}
        </ul>
      </div>
      <div className="right">
        <Button size="sm" icon="refresh" busy={busy} data-testid="partial-retry" onClick={onRetry}>
          Ask {list(again.map(short))} again
        </Button>
      </div>
    </div>
  );
}

function has(sources: Sources, signal: Signal): boolean {
  const status = sources[signal];
  return status !== undefined && answered(status);
}

export function list(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
