export { between, borderAt, fromWire, merge, selectedTotal, type Bucket, type TimeSelection } from "./buckets";
export type { Point } from "./decimate";
export { Histogram, HistogramLegend, keyColour } from "./Histogram";
export { LineChart, MOST_SERIES, type Marker, type Series } from "./LineChart";
export { queryStep, timeLabel, timeTicks, type Range } from "./scale";
export type { Zone } from "../time/clock";
export { SeriesTable } from "./SeriesTable";
export { Sparkline } from "./Sparkline";
