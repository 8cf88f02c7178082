import { Fragment } from "react";

import { Dialog } from "../components";

/** Keys that are pressed together are one text with "+"; `then` and `and` stand between keys. */
const GROUPS: { title: string; keys: [string, ...string[]][] }[] = [
  {
    title: "Anywhere",
    keys: [
      ["Focus the query", "/"],
      ["Show this list", "?"],
      ["Switch light and dark", "t"],
      ["Go to Search", "g", "then", "s"],
      ["Go to Metrics", "g", "then", "m"],
      ["Go to Alerts", "g", "then", "a"],
      ["Go to Insights", "g", "then", "i"],
      ["Go to Admin", "g", "then", "d"],
      ["Close the topmost layer", "Esc"],
    ],
  },
  {
    title: "Search",
    keys: [
      ["Run the query", "Ctrl", "Enter"],
      ["Add a filter", "f"],
      ["Open the time range", "r"],
      ["Start or pause live tail", "l"],
      ["Shift the time range back, forward", "[", "and", "]"],
      ["Next, previous result", "j", "and", "k"],
      ["Expand or collapse", "Enter"],
      ["Open the trace of this result", "o"],
    ],
  },
  {
    title: "Trace",
    keys: [
      ["Previous, next span", "Up", "Down"],
      ["Collapse, expand", "Left", "Right"],
      ["Next span with an error", "e"],
      ["Show only the critical path", "c"],
    ],
  },
  {
    title: "Alerts",
    keys: [
      ["Select the row", "x"],
      ["Select a range", "Shift", "x"],
      ["Acknowledge", "a"],
      ["Silence", "s"],
      ["Assign", "m"],
      ["Resolve", "Shift", "r"],
    ],
  },
];

export default function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog open wide onClose={onClose} title="Keyboard shortcuts" data-testid="shortcuts-dialog">
      <div className="cols-2" style={{ gap: "18px 36px" }}>
        {GROUPS.map((group) => (
          <section key={group.title}>
            <h3 style={{ margin: "6px 0" }}>{group.title}</h3>
            <dl className="sc">
              {group.keys.map(([what, ...keys]) => (
                <div
                  key={what}
                  className="flex between"
                  style={{ padding: "4px 0", borderBottom: "1px solid var(--border-soft)" }}
                >
                  <dt>{what}</dt>
                  <dd>
                    {keys.map((key, index) => (
                      <Fragment key={index}>
                        {index > 0 && " "}
                        {key === "then" || key === "and" ? <span className="muted">{key}</span> : <kbd>{key}</kbd>}
                      </Fragment>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="muted">Single keys work when no text field has focus. Turn them off in your profile.</p>
    </Dialog>
  );
}
