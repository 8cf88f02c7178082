/** The picture beside the sign-in: a trace of a checkout, drawn as the trace view draws it. */

/** Start and width of 620, and the series colour. */
const BARS: readonly (readonly [number, number, number])[] = [
  [0, 620, 1],
  [1, 4, 1],
  [4, 613, 2],
  [6, 19, 6],
  [8, 4, 6],
  [10, 13, 6],
  [27, 16, 7],
  [29, 5, 7],
  [34, 7, 7],
  [27, 35, 4],
  [30, 28, 4],
  [65, 37, 5],
  [66, 23, 5],
  [90, 11, 5],
  [65, 535, 3],
  [67, 5, 3],
  [72, 165, 3],
  [77, 154, 3],
  [263, 144, 3],
  [265, 136, 3],
  [438, 151, 3],
  [440, 145, 3],
  [589, 4, 3],
  [600, 11, 8],
];

export function WaterfallArt() {
  return (
    <svg className="wfart" viewBox="0 0 620 400" role="img" aria-label="A trace drawn as a waterfall">
      {[0, 155, 310, 465, 620].map((x) => (
        <line key={x} x1={x} x2={x} y1="0" y2="400" stroke="var(--border)" />
      ))}
      {BARS.map(([x, width, colour], row) => (
        <rect key={row} x={x} y={4 + row * 16.5} width={width} height="8" rx="2" fill={`var(--s${colour})`} opacity=".85" />
      ))}
    </svg>
  );
}
