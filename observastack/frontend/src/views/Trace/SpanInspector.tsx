import { Link } from "react-router";

import { copyText, Icon, IconButton, ServiceTag, SevText, useToast } from "../../components";
import { KIND_WORDS, lineOf, textOf } from "../../search/display";
import { duration } from "../../time/clock";
import type { Row, TraceModel } from "../../trace/model";
import type { Attributes, LogItem, SpanEvent } from "../../types";

const LOGS_SHOWN = 6;

interface Props {
  row: Row;
  model: TraceModel;
  logs: readonly LogItem[];
  traceId: string;
  onClose: () => void;
}

/** All that a span says. */
export function SpanInspector({ row, model, logs, traceId, onClose }: Props) {
  const { span } = row;
  const { content } = span;
  const toast = useToast();
  const own = logs.filter((log) => log.content.span_id === content.span_id);
  const failure = failureOf(row);
  const attributes: [string, unknown][] = [
    ...sorted(content.attributes),
    ["span.kind", KIND_WORDS[content.kind] ?? content.kind],
    ["span_id", content.span_id],
    ...(content.parent_span_id ? [["parent_span_id", content.parent_span_id] as [string, unknown]] : []),
  ];
  const resource = sorted(content.resource);
  const offset = (ns: bigint) => `+${duration(Math.max(0, Number(ns - model.startNs)))}`;
  const copyId = async () => {
    if (await copyText(content.span_id)) toast({ tone: "ok", title: "Span id copied" });
  };
  const [from, to] = around(model);
  const similar = `/search?f=service=${encodeURIComponent(span.service)}&f=name=${encodeURIComponent(content.name)}&type=traces&from=now-1h&to=now`;
  return (
    <aside className="panel inspector" aria-labelledby="span-heading" data-testid="span-detail" data-id={content.span_id} tabIndex={0}>
      <div className="panel-h">
        <div style={{ minWidth: 0 }}>
          <ServiceTag service={span.service} />
          <h2 id="span-heading" className="mono" style={{ fontSize: "var(--fs-3)", overflowWrap: "anywhere" }}>
            {content.name}
          </h2>
        </div>
        <div className="right">
          <IconButton icon="copy" label="Copy span id" onClick={() => void copyId()} />
          <IconButton icon="close" label="Close span details" data-testid="span-close" onClick={onClose} />
        </div>
      </div>
      <div className="panel-b stack" style={{ gap: 16 }}>
        <dl className="facts" style={{ gap: "4px 22px" }}>
          <Fact name="Duration" value={duration(row.durationNs)} />
          <Fact name="Self" value={duration(row.selfNs)} />
          <Fact name="Starts at" value={`+${duration(row.startNs)}`} />
          <Fact name="Of trace" value={`${((100 * row.durationNs) / model.durationNs).toFixed(1)} %`} />
        </dl>
        {failure && (
          <div className="banner error" style={{ padding: "8px 12px" }}>
            <Icon name="error" />
            <div style={{ minWidth: 0, overflowWrap: "anywhere" }}>
              <b>{failure.title}</b>
              {failure.text && (
                <>
                  <br />
                  {failure.text}
                </>
              )}
            </div>
          </div>
        )}
        {content.events.length > 0 && (
          <section>
            <h3 style={{ marginBottom: 2 }}>Events</h3>
            <ul>
              {content.events.map((event, index) => (
                <li className="link-row" key={index}>
                  <span className="num muted">{event.time_unix_nano ? offset(BigInt(event.time_unix_nano)) : "–"}</span>
                  <span className="mono trunc" title={event.name}>
                    {event.name}
                  </span>
                  <span className="muted trunc" title={eventText(event)} style={{ maxWidth: 150 }}>
                    {eventText(event)}
                  </span>
                </li>
              ))}
            </ul>
          </section>
        )}
        <section>
          <h3 style={{ marginBottom: 2 }}>Attributes</h3>
          <Values values={attributes} />
        </section>
        {resource.length > 0 && (
          <section>
            <h3 style={{ marginBottom: 2 }}>Resource</h3>
            <Values values={resource} />
          </section>
        )}
        {content.links.length > 0 && (
          <section>
            <h3 style={{ marginBottom: 2 }}>Links</h3>
            <ul>
              {content.links.map((link, index) => (
                <li key={index} className="mono" style={{ fontSize: "var(--fs-2)", overflowWrap: "anywhere" }}>
                  <Link to={`/traces/${link.trace_id ?? ""}${link.span_id ? `?span=${link.span_id}` : ""}`}>{link.trace_id}</Link>
                </li>
              ))}
            </ul>
          </section>
        )}
        {own.length > 0 && (
          <section>
            <div className="flex between">
              <h3>Logs in this span</h3>
              <Link
                to={`/search?f=trace_id=${traceId}&f=span_id="${content.span_id}"&type=logs&from=${from}&to=${to}`}
                style={{ fontSize: "var(--fs-2)" }}
              >
                Show {own.length}
              </Link>
            </div>
            <ul>
              {own.slice(0, LOGS_SHOWN).map((log) => {
                const line = lineOf(log);
                return (
                  <li className="link-row" key={log.id}>
                    <SevText severity={line.word} />
                    <span className="trunc mono" title={line.text}>
                      {line.text}
                    </span>
                    <span className="num muted">{offset(BigInt(log.time_unix_nano))}</span>
                  </li>
                );
              })}
            </ul>
          </section>
        )}
        <div className="flex">
          <Link className="btn sm" to={similar} data-testid="span-similar">
            <Icon name="search" small />
            Similar spans
          </Link>
        </div>
      </div>
    </aside>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Values({ values }: { values: readonly (readonly [string, unknown])[] }) {
  return (
    <dl className="kv">
      {values.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{textOf(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function sorted(attributes: Attributes): [string, unknown][] {
  return Object.entries(attributes).sort(([one], [other]) => one.localeCompare(other));
}

/** What a failed span says of its error: the exception event (OpenTelemetry semantic conventions), else its status. */
function failureOf(row: Row): { title: string; text: string } | null {
  if (!row.failed) return null;
  const { content } = row.span;
  const exception = content.events.find((event) => event.name === "exception")?.attributes;
  const type = exception?.["exception.type"] ?? content.attributes["error.type"];
  const text = content.status_message || exception?.["exception.message"];
  return { title: type === undefined ? "This span failed" : String(type), text: text ? String(text) : "" };
}

function eventText(event: SpanEvent): string {
  const attributes = event.attributes ?? {};
  const type = attributes["exception.type"];
  if (type !== undefined) return String(type);
  return Object.entries(attributes)
    .map(([key, value]) => `${key}=${textOf(value)}`)
    .join(" ");
}

/** A minute more on each side: logs of a trace may be a little early or late. */
export function around(model: TraceModel): [string, string] {
  const start = Number(model.startNs / 1_000_000n);
  const end = start + model.durationNs / 1e6;
  return [new Date(start - 60_000).toISOString(), new Date(end + 60_000).toISOString()];
}
