/** Lines as they arrive: newest first, at a pace one can read, waiting while somebody reads further down. */
import { useEffect, useRef, useState } from "react";

import { Button, EmptyState } from "../../components";
import { CAPACITY } from "../../live/buffer";
import type { LiveStatus } from "../../live/client";
import type { Live } from "../../live/useLive";
import { type ListChoices, ResultList } from "./ResultList";

interface Props {
  live: Live;
  list: ListChoices;
  onStop: () => void;
}

export function LiveResults({ live, list, onStop }: Props) {
  const { buffer, status, paused } = live;
  const top = useRef<HTMLDivElement>(null);
  const setReading = live.setReading;
  useEffect(() => {
    const element = top.current;
    if (!element) return;
    // The head of the list under the bar: somebody reads below, the list must not move.
    const observer = new IntersectionObserver(([entry]) => setReading(!(entry?.isIntersecting ?? true)), {
      rootMargin: "-60px 0px 0px 0px",
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [setReading]);
  const waiting = buffer.waiting.length;
  const jump = () => {
    live.resume();
    top.current?.scrollIntoView({ block: "center" });
  };
  const good = status.kind === "live" && !paused;
  return (
    <>
      <div ref={top} className="rtools" style={good ? { background: "var(--ok-soft)" } : { background: "var(--sunken)" }}>
        <span role="status" data-testid="live-status" data-status={paused ? "paused" : status.kind} style={{ color: "var(--text-2)" }}>
          <StatusText status={status} paused={paused} rate={live.rate} />
        </span>
        <span className="num hide-s">
          {buffer.shown.length.toLocaleString("en")} shown, oldest fall off after {CAPACITY.toLocaleString("en")}
          {buffer.dropped > 0 && `, ${buffer.dropped.toLocaleString("en")} left out because they came too fast`}
        </span>
        <div className="right">
          <Button size="sm" icon={paused ? "play" : "pause"} data-testid="live-pause" onClick={paused ? jump : live.pause}>
            {paused ? "Resume" : "Pause"}
          </Button>
          <Button size="sm" variant="ghost" data-testid="live-clear" onClick={live.clear}>
            Clear
          </Button>
          <Button size="sm" variant="ghost" data-testid="live-stop" onClick={onStop}>
            Stop
          </Button>
        </div>
      </div>
      {waiting > 0 && (
        <div className="live-jump">
          <Button size="sm" icon="chevron-up" data-testid="live-jump" onClick={jump}>
            {waiting.toLocaleString("en")}
            {waiting >= CAPACITY ? "+" : ""} new {waiting === 1 ? "line" : "lines"}{" "}
            {paused ? "wait, show them" : "while you scrolled, jump to newest"}
          </Button>
        </div>
      )}
      {buffer.shown.length === 0 ? (
        <EmptyState level={3} title={emptyTitle(status)} data-testid="live-empty">
          <p>{status.kind === "stopped" ? "Stop live tail, or press Run for what is stored." : "New lines that match appear here by themselves."}</p>
        </EmptyState>
      ) : (
        <ResultList {...list} items={buffer.shown} label="Live results, newest first" fresh={paused ? 0 : buffer.fresh} />
      )}
    </>
  );
}

function StatusText({ status, paused, rate }: { status: LiveStatus; paused: boolean; rate: number }) {
  const minutes = useMinutesSince(status.kind === "live" ? status.since : null);
  switch (status.kind) {
    case "connecting":
      return <>Connecting…</>;
    case "reconnecting":
      return (
        <>
          <b style={{ color: "var(--warn)" }}>Connection lost</b> · trying again{status.inS >= 1 ? ` in ${Math.round(status.inS)} s` : ""}
        </>
      );
    case "stopped":
      return (
        <>
          <b style={{ color: "var(--error)" }}>Stopped</b> · {status.message}
        </>
      );
    case "live":
      return paused ? (
        <>
          <b>Paused</b> · <span className="num">{pace(rate)}</span>
        </>
      ) : (
        <>
          <b style={{ color: "var(--ok)" }}>Live</b> · <span className="num">{pace(rate)}</span> · connected{" "}
          {minutes === 0 ? "just now" : `${minutes} min`}
        </>
      );
  }
}

function pace(rate: number): string {
  return `${rate >= 10 ? Math.round(rate).toLocaleString("en") : Number(rate.toFixed(1))} events/s`;
}

function useMinutesSince(since: number | null): number {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((old) => old + 1), 15_000);
    return () => clearInterval(timer);
  }, []);
  return since === null ? 0 : Math.floor((Date.now() - since) / 60_000);
}

function emptyTitle(status: LiveStatus): string {
  if (status.kind === "live") return "Nothing new yet";
  return status.kind === "stopped" ? "Live tail has stopped" : "Waiting for the connection";
}
