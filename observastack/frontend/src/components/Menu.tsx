/** A button with a list of actions (ARIA menu button: arrows, Home, End, Esc), and one with a small dialog. */
import { useCallback, useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { Button, type ButtonProps } from "./Button";
import { Icon, type IconName } from "./Icon";
import { useFloating, type Align } from "./floating";

export interface MenuItem {
  id: string;
  label: ReactNode;
  icon?: IconName | undefined;
  /** Small text at the right end. */
  end?: ReactNode;
  checked?: boolean | undefined;
  danger?: boolean | undefined;
  reason?: string | null | undefined;
  onSelect: () => void;
  "data-testid"?: string | undefined;
}

export interface MenuProps {
  /** What the trigger looks like; `label` names an icon-only trigger. */
  trigger: Omit<ButtonProps, "onClick">;
  label: string;
  items: readonly (MenuItem | "separator")[];
  align?: Align | undefined;
}

export function Menu({ trigger, label, items, align = "end" }: MenuProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const id = useId();
  const close = useCallback(() => setOpen(false), []);
  const style = useFloating(open, close, button, panel, align);
  useEffect(() => {
    if (open) panel.current?.querySelector<HTMLElement>("button")?.focus();
  }, [open]);
  const move = (event: KeyboardEvent) => {
    const all = [...(panel.current?.querySelectorAll<HTMLElement>("button") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Tab") return close();
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all[next]?.focus();
  };
  const { children, ...rest } = trigger;
  return (
    <>
      <Button {...rest} ref={button} aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined}
        {...(children ? {} : { "aria-label": label, title: rest.title ?? label })}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => { if (event.key === "ArrowDown") { event.preventDefault(); setOpen(true); } }}>
        {children}
      </Button>
      {open && (
        <div ref={panel} id={id} className="menu" role="menu" aria-label={label} style={style} onKeyDown={move}>
          {items.map((item, index) => item === "separator" ? <hr key={index} /> : (
            <button key={item.id} type="button" role={item.checked === undefined ? "menuitem" : "menuitemradio"} tabIndex={-1}
              className={item.danger ? "danger" : undefined} title={item.reason ?? undefined} data-testid={item["data-testid"]}
              {...(item.checked === undefined ? {} : { "aria-checked": item.checked })}
              {...(item.reason ? { "aria-disabled": true } : {})}
              onClick={() => {
                if (item.reason) return;
                close();
                button.current?.focus();
                item.onSelect();
              }}>
              {item.icon && <Icon name={item.icon} small />}
              {item.label}
              {item.end && <span className="end">{item.end}</span>}
            </button>
          ))}
        </div>
      )}
    </>
  );
}

export interface PopoverProps {
  trigger: Omit<ButtonProps, "onClick">;
  label: string;
  align?: Align | undefined;
  className?: string | undefined;
  "data-testid"?: string | undefined;
  /** Gets a function that closes it and gives the focus back. */
  children: (close: () => void) => ReactNode;
}

/** A small dialog that hangs at its trigger; not modal. */
export function Popover({ trigger, label, align = "start", className, "data-testid": testId, children }: PopoverProps) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const close = useCallback(() => setOpen(false), []);
  const style = useFloating(open, close, button, panel, align);
  useEffect(() => {
    if (open) panel.current?.querySelector<HTMLElement>("input, select, button")?.focus();
  }, [open]);
  return (
    <>
      <Button {...trigger} ref={button} aria-haspopup="dialog" aria-expanded={open} onClick={() => setOpen(!open)} />
      {open && (
        <div ref={panel} className={className ? `menu ${className}` : "menu"} role="dialog" aria-label={label} style={style} data-testid={testId}>
          {children(() => {
            close();
            button.current?.focus();
          })}
        </div>
      )}
    </>
  );
}
