/** One filter: press it to edit, press the cross to remove it. */
import { Icon } from "./Icon";

export interface FilterChipProps {
  field: string;
  /** “is”, “is not”, “contains” … */
  operator: string;
  value: string;
  negated?: boolean | undefined;
  onEdit?: (() => void) | undefined;
  onRemove?: (() => void) | undefined;
  "data-testid"?: string | undefined;
}

export function FilterChip({ field, operator, value, negated = false, onEdit, onRemove, "data-testid": testId = "search-filter-chip" }: FilterChipProps) {
  const text = <>{field} <span className="op">{operator}</span> <b className="trunc">{value}</b></>;
  return (
    <span className={negated ? "chip not" : "chip"} data-testid={testId} data-id={`${field}:${value}`}>
      <span>
        {onEdit
          ? <button className="chip-edit" type="button" aria-label={`Edit filter ${field} ${operator} ${value}`} onClick={onEdit}>{text}</button>
          : text}
      </span>
      {onRemove
        ? <button className="x" type="button" aria-label={`Remove filter ${field}`} title={`Remove filter ${field}`} onClick={onRemove}><Icon name="close" /></button>
        : <span style={{ width: 6 }} />}
    </span>
  );
}

/** The dashed button that adds one more. */
export function AddChip({ children, onClick, "data-testid": testId }: { children: string; onClick: () => void; "data-testid"?: string }) {
  return <button className="add" type="button" onClick={onClick} data-testid={testId}><Icon name="plus" small />{children}</button>;
}

