/** Numbers as people read them: tabular, with a thin unit, never more digits than they are worth. */

export type Unit = "s" | "bytes" | "ratio" | "percent" | "per_s" | "count" | "none";

const MINUS = "−";

function signed(text: string, value: number): string {
  return value < 0 ? `${MINUS}${text}` : text;
}

function digits(value: number, most: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: most });
}

/** 0, 0.034, 1.98, 45.2, 1,204, 610 k, 1.24 M. `null` is a dash. */
export function formatCount(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return signed("∞", value);
  for (const [limit, sign] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]] as const) {
    const scale = sign === "k" ? 1e3 : limit;
    if (size >= limit) return signed(`${digits(size / scale, size / scale >= 100 ? 0 : size / scale >= 10 ? 1 : 2)} ${sign}`, value);
  }
  if (Number.isInteger(size)) return signed(digits(size, 0), value);
  if (size >= 100) return signed(digits(size, 0), value);
  if (size >= 10) return signed(digits(size, 1), value);
  if (size >= 0.01) return signed(digits(size, size >= 1 ? 2 : 3), value);
  if (size === 0) return "0";
  return signed(size >= 0.0001 ? String(Number(size.toPrecision(2))) : size.toExponential(1), value);
}

/** Bytes with decimal prefixes (the unit of disks and bills): 512 B, 18.4 kB, 184 GB. */
export function formatBytes(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  let scaled = size;
  let unit = "B";
  for (const next of ["kB", "MB", "GB", "TB", "PB"]) {
    if (scaled < 1000) break;
    scaled /= 1000;
    unit = next;
  }
  const fraction = unit === "B" || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  return signed(`${digits(scaled, fraction)} ${unit}`, value);
}

/** A value in percent (12.1 is 12.1 %). */
export function formatPercent(value: number | null, fraction = 1): string {
  if (value === null || Number.isNaN(value)) return "–";
  return signed(`${Math.abs(value).toFixed(fraction)} %`, value);
}

/** +5.8 %, −2.1 %, 0.0 %. */
export function formatChange(value: number | null, unit = "%", fraction = 1): string {
  if (value === null || Number.isNaN(value)) return "–";
  const text = `${Math.abs(value).toFixed(fraction)} ${unit}`;
  if (Number(Math.abs(value).toFixed(fraction)) === 0) return text;
  return `${value < 0 ? MINUS : "+"}${text}`;
}

/** Money: $15,100; cents only below 100. */
export function formatMoney(value: number | null, currency: string): string {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const fraction = size >= 100 ? 0 : size > 0 && size < 0.01 ? 4 : 2;
  try {
    return value.toLocaleString("en", { style: "currency", currency, minimumFractionDigits: fraction, maximumFractionDigits: fraction });
  } catch {
    return `${digits(value, fraction)} ${currency}`;
  }
}

/** Seconds for axes and cells: 340 µs, 12 ms, 0.34 s, 1.98 s, 2.5 min, 3.2 h. */
export function formatSeconds(value: number | null): string {
  if (value === null || Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return signed(`${digits(size * 1e6, 0)} µs`, value);
  if (size < 0.1) return signed(`${digits(size * 1e3, size < 0.01 ? 1 : 0)} ms`, value);
  if (size < 100) return signed(`${size.toFixed(size < 10 ? 2 : 1)} s`, value);
  if (size < 5400) return signed(`${digits(size / 60, 1)} min`, value);
  return signed(`${digits(size / 3600, 1)} h`, value);
}

/** A value in its unit; `ratio` (0…1) is written as percent. */
export function formatValue(value: number | null, unit: Unit): string {
  switch (unit) {
    case "s": return formatSeconds(value);
    case "bytes": return formatBytes(value);
    case "ratio": return formatPercent(value === null ? null : value * 100);
    case "percent": return formatPercent(value);
    case "per_s": return value === null || Number.isNaN(value) ? "–" : `${formatCount(value)} /s`;
    default: return formatCount(value);
  }
}

/** Labels of an axis: as `formatValue`, without the zeros at the end that all of them share. */
export function formatTicks(ticks: readonly number[], unit: Unit): string[] {
  let texts = ticks.map((tick) => formatValue(tick, unit));
  const zero = /\.(\d*)0(?=\D|$)/;
  while (texts.some((text) => zero.test(text)) && texts.every((text) => zero.test(text) || !text.includes("."))) {
    texts = texts.map((text) => text.replace(zero, (_, rest: string) => (rest ? `.${rest}` : "")));
  }
  return texts;
}

/** A round figure such as a threshold: without zeros at its end. */
export function formatRound(value: number, unit: Unit): string {
  return formatTicks([value], unit)[0] ?? "–";
}

/** The unit that the name of a metric promises (suffixes of OpenMetrics, last words of OpenTelemetry), or of a rate over it. */
export function unitOfMetric(metric: string, rate = false): Unit {
  const name = metric.replaceAll(".", "_");
  if (/_cpu_time$/.test(name) || /_cpu_seconds_total$/.test(name)) return rate ? "ratio" : "s";
  if (/_seconds(_bucket|_sum|_count|_total)?$/.test(name) || /_(duration|latency)(_s)?$/.test(name)) return rate && /_total$/.test(name) ? "none" : "s";
  if (/_bytes(_total)?$/.test(name) || /memory_(usage|limit|request)$/.test(name) || /_io$/.test(name)) return "bytes";
  if (/_(ratio|utilization)$/.test(name)) return "ratio";
  if (/_percent$/.test(name)) return "percent";
  return rate ? "per_s" : "none";
}
