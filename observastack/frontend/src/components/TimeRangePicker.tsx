/** The range of time of a page: a quick choice, or two moments typed. */
import { useState, type FormEvent } from "react";
import { fieldText, zoneName, type Zone } from "../format/clock";
import { formatDuration } from "../format/duration";
import { Button, IconButton } from "./Button";
import { TextField } from "./Field";
import { Icon } from "./Icon";
import { Popover } from "./Menu";
import { parseMoment, rangeLabel, resolve, shift, spanText, type TimeRangeValue } from "./timeRange";

export interface TimeRangePickerProps {
  value: TimeRangeValue;
  onChange: (value: TimeRangeValue) => void;
  tz: Zone;
  /** Quick choices, seconds. */
  quick?: readonly number[] | undefined;
  "data-testid"?: string | undefined;
}

const QUICK = [300, 900, 1800, 10_800, 86_400, 604_800];

function words(seconds: number): string {
  if (seconds === 86_400) return "24 hours";
  return formatDuration(seconds).replace(/ min$/, " minutes").replace(/ h$/, seconds === 3600 ? " hour" : " hours");
}

function Panel({ value, onChange, tz, quick, close }: Required<Pick<TimeRangePickerProps, "value" | "onChange" | "tz" | "quick">> & { close: () => void }) {
  const [now] = useState(() => Date.now());
  const span = resolve(value, now);
  const [from, setFrom] = useState(() => fieldText(span.from, tz));
  const [to, setTo] = useState(() => fieldText(span.to, tz));
  const [error, setError] = useState<{ from?: string; to?: string }>({});
  const length = formatDuration((span.to - span.from) / 1000);
  const take = (next: TimeRangeValue) => {
    onChange(next);
    close();
  };
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const [start, end] = [parseMoment(from, now, tz), parseMoment(to, now, tz)];
    if (start === null) return setError({ from: "Not a time that can be read" });
    if (end === null) return setError({ to: "Not a time that can be read" });
    if (end <= start) return setError({ to: "The end must be after the start" });
    const relative = /^now-(\d+[smhdw])$/.exec(from.trim());
    take(relative && to.trim() === "now" ? { last: Math.round((end - start) / 1000) } : { from: start, to: end });
  };
  const move = (direction: -1 | 1) => {
    const next = resolve(shift(value, direction, now), now);
    onChange(next);
    setFrom(fieldText(next.from, tz));
    setTo(fieldText(next.to, tz));
  };
  return (
    <>
      <form className="abs" onSubmit={apply} noValidate>
        <TextField label="From" mono value={from} error={error.from} onChange={(event) => setFrom(event.target.value)} data-testid="time-range-from" />
        <TextField label="To" mono value={to} error={error.to} onChange={(event) => setTo(event.target.value)} data-testid="time-range-to" />
        <p className="muted" style={{ fontSize: "var(--fs-2)" }}>Times are {zoneName(tz)}. <code>now-30m</code> and <code>09:00</code> work too.</p>
        <div className="flex between">
          <span className="group">
            <IconButton icon="chevron-left" label={`Shift back by ${length}`} onClick={() => move(-1)} data-testid="time-range-back" />
            <IconButton icon="chevron-right" label={`Shift forward by ${length}`} onClick={() => move(1)} data-testid="time-range-forward" />
          </span>
          <Button variant="primary" type="submit" data-testid="time-range-apply">Apply range</Button>
        </div>
      </form>
      <div className="quick">
        {quick.map((seconds) => (
          <button key={seconds} type="button" aria-pressed={"last" in value && value.last === seconds} onClick={() => take({ last: seconds })}>
            Last {words(seconds)}<span className="end mono">{spanText(seconds)}</span>
          </button>
        ))}
      </div>
    </>
  );
}

export function TimeRangePicker({ value, onChange, tz, quick = QUICK, "data-testid": testId = "time-range" }: TimeRangePickerProps) {
  return (
    <Popover label="Time range" align="end" className="trange" data-testid={`${testId}-menu`}
      trigger={{
        "data-testid": testId, icon: "clock",
        children: <><span className="num">{rangeLabel(value, Date.now(), tz)}</span><Icon name="chevron-down" small /></>,
      } as const}>
      {(close) => <Panel value={value} onChange={onChange} tz={tz} quick={quick} close={close} />}
    </Popover>
  );
}
