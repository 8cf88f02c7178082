/** What is known of one line: its text, attributes, JSON, neighbours; and what belongs to it. */
import { useState } from "react";
import { Link } from "react-router";

import { Button, copyText, IconButton, Tabs, useToast } from "../../components";
import { attributeRows, idOf, wholeText } from "../../search/display";
import { type Zone } from "../../time/clock";
import type { Filter, Item } from "../../types";
import { Around } from "./Around";
import { Related } from "./Related";
import { useLineLink } from "./lineLink";

type TabId = "attributes" | "json" | "around";

interface Props {
  item: Item;
  needle: string;
  zone: Zone;
  onFilter?: ((filter: Filter) => void) | undefined;
}

export function RowDetail({ item, zone, onFilter }: Props) {
  const [tab, setTab] = useState<TabId>("attributes");
  const toast = useToast();
  const link = useLineLink();
  const copy = async (text: string, what: string) => {
    const done = await copyText(text);
    toast(done ? { tone: "ok", title: `${what} copied` } : { tone: "error", title: "Copying is not allowed here" });
  };
  const json = JSON.stringify(item, null, 2);
  const text = wholeText(item);
  return (
    <div className="detail" data-testid="result-detail" data-id={idOf(item)}>
      <div className="full flex between">
        <Tabs<TabId>
          label="Detail"
          inside
          value={tab}
          onChange={setTab}
          testIdPrefix="detail-tab"
          tabs={[
            { id: "attributes", label: "Attributes" },
            { id: "json", label: "JSON" },
            { id: "around", label: "Around this line" },
          ]}
        />
        <div className="flex">
          <Button variant="ghost" size="sm" icon="copy" onClick={() => void copy(tab === "json" ? json : text, tab === "json" ? "JSON" : "Line")}>
            Copy
          </Button>
          {link && (
            <Button variant="ghost" size="sm" icon="link" onClick={() => void copy(link(item), "Link")}>
              Link to line
            </Button>
          )}
        </div>
      </div>
      {tab === "json" && (
        <pre className="full" tabIndex={0} aria-label="The line as JSON">
          {json}
        </pre>
      )}
      {tab === "around" && <Around item={item} zone={zone} />}
      {tab === "attributes" && (
        <>
          <pre className="full">{text}</pre>
          <div>
            <Attributes item={item} onFilter={onFilter} />
          </div>
          <Related item={item} zone={zone} />
        </>
      )}
    </div>
  );
}

function Attributes({ item, onFilter }: Pick<Props, "item" | "onFilter">) {
  const kind = { logs: "log", traces: "span", metrics: "metric" }[item.source];
  return (
    <table className="attr">
      <caption className="sr">Attributes of this {kind}</caption>
      <tbody>
        {attributeRows(item).map(({ name, text, filter }, index) => (
          <tr key={`${name}-${index}`}>
            <th scope="row">{name}</th>
            <td>{name === "trace_id" ? <Link to={`/traces/${text}`}>{text}</Link> : text}</td>
            <td className="acts">
              {filter && onFilter && (
                <>
                  <IconButton
                    icon="plus"
                    size="sm"
                    label={`Only ${name} = ${text}`}
                    data-testid="attr-include"
                    onClick={() => onFilter(filter)}
                  />
                  <IconButton
                    icon="minus"
                    size="sm"
                    label={`Without ${name} = ${text}`}
                    data-testid="attr-exclude"
                    onClick={() => onFilter({ ...filter, operator: "not_equals" })}
                  />
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
