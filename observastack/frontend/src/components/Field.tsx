/** Labelled inputs. The error stands at the field, is announced, and is what `aria-describedby` points at. */
import { useId, type ComponentPropsWithRef, type ReactNode } from "react";
import { Icon } from "./Icon";

interface Described {
  id: string;
  describedBy: string | undefined;
  invalid: boolean;
}

export interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | null | undefined;
  children: (described: Described) => ReactNode;
}

/** Gives its control an id, its description and whether it is invalid. */
export function Field({ label, hint, error, children }: FieldProps) {
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, describedBy: hint || error ? note : undefined, invalid: Boolean(error) })}
      {error
        ? <span className="err" id={note} role="alert"><Icon name="error" small />{error}</span>
        : hint && <span className="hint" id={note}>{hint}</span>}
    </div>
  );
}

export interface InputProps extends ComponentPropsWithRef<"input"> {
  mono?: boolean | undefined;
}

export function Input({ mono = false, className, ...rest }: InputProps) {
  return <input {...rest} className={["input", mono ? "mono" : "", className ?? ""].filter(Boolean).join(" ")} />;
}

/** An `Input` in a `Field`. */
export function TextField({ label, hint, error, ...rest }: InputProps & Omit<FieldProps, "children">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy, invalid }) => (
        <Input {...rest} id={id} aria-describedby={describedBy} {...(invalid ? { "aria-invalid": true } : {})} />
      )}
    </Field>
  );
}

export interface Choice {
  value: string;
  label: string;
  disabled?: boolean | undefined;
}

export interface SelectProps extends Omit<ComponentPropsWithRef<"select">, "onChange" | "value" | "children"> {
  value: string;
  choices: readonly Choice[];
  onChange: (value: string) => void;
  /** As wide as its content instead of its container. */
  fit?: boolean | undefined;
  reason?: string | null | undefined;
}

export function Select({ value, choices, onChange, fit = false, className, reason, title, disabled, ...rest }: SelectProps) {
  return (
    <select {...rest} value={value} onChange={(event) => onChange(event.target.value)}
      className={["select", fit ? "w" : "", className ?? ""].filter(Boolean).join(" ")}
      title={reason ?? title} disabled={Boolean(reason) || disabled}>
      {choices.map((choice) => (
        <option key={choice.value} value={choice.value} disabled={choice.disabled}>{choice.label}</option>
      ))}
    </select>
  );
}

/** A `Select` in a `Field`. */
export function SelectField({ label, hint, error, ...rest }: SelectProps & Omit<FieldProps, "children">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy, invalid }) => (
        <Select {...rest} id={id} aria-describedby={describedBy} {...(invalid ? { "aria-invalid": true } : {})} />
      )}
    </Field>
  );
}

export interface FindProps {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
  width?: number | undefined;
  "data-testid"?: string | undefined;
}

/** A small search box for lists. */
export function Find({ label, placeholder, value, onChange, width = 220, "data-testid": testId }: FindProps) {
  return (
    <div className="qbox find" style={{ width }}>
      <Icon name="search" small />
      <input type="search" aria-label={label} placeholder={placeholder} value={value} data-testid={testId}
        onChange={(event) => onChange(event.target.value)} />
    </div>
  );
}
