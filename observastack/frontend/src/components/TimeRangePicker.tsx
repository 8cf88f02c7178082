/** The range of time of a page: a quick choice, or two moments typed. */
import { useState, type FormEvent } from "react";
import { type Zone, zoneName } from "../time/clock";
import { bounds, lastSeconds, last, lengthOf, parseBound, problem, QUICK, resolve, shift, title, typed, type Range } from "../time/range";
import { Button, IconButton } from "./Button";
import { TextField } from "./Field";
import { Icon } from "./Icon";
import { Popover } from "./Menu";

export type QuickRanges = readonly { label: string; short: string; seconds: number }[];

export interface TimeRangePickerProps {
  value: Range;
  onChange: (value: Range) => void;
  tz: Zone;
  quick?: QuickRanges | undefined;
  /** Live tail has no end: the button says so and the range waits. */
  live?: boolean | undefined;
  "data-testid"?: string | undefined;
}

interface PanelProps {
  value: Range;
  onChange: (value: Range) => void;
  tz: Zone;
  quick: QuickRanges;
  close: () => void;
  testId: string;
}

function Panel({ value, onChange, tz, quick, close, testId }: PanelProps) {
  const [now] = useState(() => Date.now());
  const [from, setFrom] = useState(() => typed(value.from, now, tz));
  const [to, setTo] = useState(() => typed(value.to, now, tz));
  const [wrong, setWrong] = useState<ReturnType<typeof problem>>(null);
  const span = resolve(value, now);
  const length = lengthOf((span.to - span.from) / 1000);
  const take = (next: Range) => {
    onChange(next);
    close();
  };
  const apply = (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    const [start, end] = [parseBound(from, now, tz), parseBound(to, now, tz)];
    const found = problem(start, end, now);
    setWrong(found);
    if (!found && start !== null && end !== null) take({ from: start, to: end });
  };
  const move = (direction: -1 | 1) => {
    const next = shift(value, direction, now);
    onChange(next);
    setFrom(typed(next.from, now, tz));
    setTo(typed(next.to, now, tz));
  };
  return (
    <>
      <form className="abs" onSubmit={apply} noValidate>
        <TextField label="From" mono value={from} error={wrong?.field === "from" ? wrong.text : null}
          onChange={(event) => setFrom(event.target.value)} data-testid={`${testId}-from`} />
        <TextField label="To" mono value={to} error={wrong?.field === "to" ? wrong.text : null}
          onChange={(event) => setTo(event.target.value)} data-testid={`${testId}-to`} />
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>
          Times are {zoneName(tz, now)}. <code>now-30m</code> and <code>09:00</code> work too.
        </p>
        <div className="flex between">
          <span className="group">
            <IconButton icon="chevron-left" label={`Shift back by ${length}`} onClick={() => move(-1)} data-testid={`${testId}-back`} />
            <IconButton icon="chevron-right" label={`Shift forward by ${length}`} onClick={() => move(1)} data-testid={`${testId}-forward`} />
          </span>
          <Button variant="primary" type="submit" data-testid={`${testId}-apply`}>Apply range</Button>
        </div>
      </form>
      <div className="quick">
        {quick.map(({ label, short, seconds }) => (
          <button key={seconds} type="button" aria-pressed={lastSeconds(value) === seconds} onClick={() => take(last(seconds))}>
            {label}<span className="end mono">{short}</span>
          </button>
        ))}
      </div>
    </>
  );
}

export function TimeRangePicker({ value, onChange, tz, quick = QUICK, live = false, "data-testid": testId = "time-range" }: TimeRangePickerProps) {
  const now = Date.now();
  return (
    <Popover label="Time range" align="end" className="trange" data-testid={`${testId}-menu`}
      trigger={{
        "data-testid": testId, icon: "clock",
        children: (
          <>
            <span className="num">{live ? "Live" : title(value, now, tz)}</span>
            {!live && lastSeconds(value) !== null && <span className="muted num hide-s wide-only">{bounds(resolve(value, now), now, tz)}</span>}
            <Icon name="chevron-down" small />
          </>
        ),
      }}>
      {(close) => <Panel value={value} onChange={onChange} tz={tz} quick={quick} close={close} testId={testId} />}
    </Popover>
  );
}
