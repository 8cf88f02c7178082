/** How the insights are told. */
import { formatBytes, formatCount, formatPercent, formatSeconds } from "../../format/quantity";

/** The unit of an anomaly's signal, as the API names it. */
export function signalValue(value: number, unit: string): string {
  switch (unit) {
    case "ratio": return formatPercent(value * 100);
    case "%": case "percent": return formatPercent(value);
    case "s": case "seconds": return formatSeconds(value);
    case "ms": return formatSeconds(value / 1000);
    case "ns": return formatSeconds(value / 1e9);
    case "By": case "bytes": case "B": return formatBytes(value);
    case "": case "1": case "none": return formatCount(value);
    default: return `${formatCount(value)} ${unit.startsWith("/") ? unit : `${unit}`}`;
  }
}

/** 8.1 σ, a whole number without a fraction. */
export function sigmas(deviation: number): string {
  const size = Math.abs(deviation);
  return `${size >= 100 ? ">100" : Number(size.toFixed(1))} σ`;
}

export function severityOf(deviation: number): "error" | "warn" | "neutral" {
  const size = Math.abs(deviation);
  return size >= 6 ? "error" : size >= 4 ? "warn" : "neutral";
}

/** A change of cost or use that somebody should look at is red, a saving is green, noise is grey. */
export function changeTone(change: number | null, noise = 5): "up" | "down" | "muted" {
  if (change === null || Math.abs(change) < 0.05) return "muted";
  if (change >= noise) return "up";
  return change < -1 ? "down" : "muted";
}

/** “24 hours”, “30 days”. */
export function rangeWords(seconds: number): string {
  if (seconds % 86_400 === 0 && seconds > 86_400) return `${seconds / 86_400} days`;
  const hours = Math.round(seconds / 3600);
  return hours === 1 ? "hour" : `${hours} hours`;
}
