/** On or off, at once. The state shown is the one the server confirmed: while a change is on its way the switch waits. */
import { useId } from "react";

export interface SwitchProps {
  checked: boolean;
  label: string;
  onChange: (checked: boolean) => void;
  busy?: boolean | undefined;
  reason?: string | null | undefined;
  "data-testid"?: string | undefined;
}

export function Switch({ checked, label, onChange, busy = false, reason, "data-testid": testId }: SwitchProps) {
  const reasonId = useId();
  const blocked = busy || Boolean(reason);
  return (
    <>
      <button type="button" className="switch" role="switch" aria-checked={checked} aria-label={label}
        data-testid={testId} title={reason ?? undefined}
        onClick={() => { if (!blocked) onChange(!checked); }}
        {...(blocked ? { "aria-disabled": true } : {})}
        {...(busy ? { "aria-busy": true } : {})}
        {...(reason ? { "aria-describedby": reasonId } : {})} />
      {reason && <span id={reasonId} hidden>{reason}</span>}
    </>
  );
}
