import { useState } from "react";

import { Button, copyText, Dialog, TextField, useToast } from "../../components";

export function ThresholdDialog({ open, value, onClose, onChange }: { open: boolean; value: number | null; onClose: () => void; onChange: (value: number | null) => void }) {
  return open ? <Threshold value={value} onClose={onClose} onChange={onChange} /> : null;
}

function Threshold({ value, onClose, onChange }: { value: number | null; onClose: () => void; onChange: (value: number | null) => void }) {
  const [text, setText] = useState(value === null ? "" : String(value));
  const number = Number(text);
  const wrong = text.trim() !== "" && !Number.isFinite(number) ? "Not a number" : null;
  const apply = () => {
    if (wrong) return;
    onChange(text.trim() === "" ? null : number);
    onClose();
  };
  return (
    <Dialog open title="Threshold" onClose={onClose} onSubmit={apply} data-testid="metric-threshold-dialog"
      footer={<><Button onClick={onClose}>Cancel</Button><Button variant="primary" type="submit" data-testid="metric-threshold-apply">Draw it</Button></>}>
      <TextField label="Value" autoFocus inputMode="decimal" value={text} error={wrong} hint="In the unit of the query: 0.25 is a quarter of a second, or 25 % of a ratio. Empty draws none."
        data-testid="metric-threshold" onChange={(event) => setText(event.target.value)} />
    </Dialog>
  );
}

export function RuleDialog({ open, text, onClose }: { open: boolean; text: string; onClose: () => void }) {
  const toast = useToast();
  return (
    <Dialog open={open} wide title="Alert rule" onClose={onClose} data-testid="metric-rule-dialog"
      footer={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button variant="primary" icon="copy" onClick={() => void copyText(text).then(() => {
            toast({ tone: "ok", title: "Rule copied" });
            onClose();
          })}>Copy rule</Button>
        </>
      }>
      <p>Rules are evaluated by Prometheus, not by this page. Put this into a rule file, set a threshold and a name, and reload Prometheus.</p>
      <pre className="code" tabIndex={0}>{text}</pre>
    </Dialog>
  );
}
