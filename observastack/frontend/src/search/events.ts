/** Server-sent events of `POST /search/stream` (EventSource knows neither POST nor bearer tokens). */

export interface StreamEvent {
  name: string;
  data: string;
}

/** Cuts a stream of text into events, however it was cut into chunks. */
export class EventCutter {
  private rest = "";

  push(chunk: string): StreamEvent[] {
    // On the whole: a chunk may end between the two.
    this.rest = (this.rest + chunk).replaceAll("\r\n", "\n");
    const events: StreamEvent[] = [];
    for (let end = this.rest.indexOf("\n\n"); end >= 0; end = this.rest.indexOf("\n\n")) {
      const event = parse(this.rest.slice(0, end));
      this.rest = this.rest.slice(end + 2);
      if (event) events.push(event);
    }
    return events;
  }
}

function parse(block: string): StreamEvent | null {
  let name = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [field, value] = [line.split(":", 1)[0], line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
    if (field === "event") name = value;
    if (field === "data") data.push(value);
  }
  return data.length > 0 ? { name, data: data.join("\n") } : null;
}

export async function* eventsOf(answer: Response): AsyncGenerator<StreamEvent> {
  if (answer.body === null) return;
  const cutter = new EventCutter();
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* cutter.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
