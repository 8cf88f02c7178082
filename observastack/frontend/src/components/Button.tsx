/** Buttons. One that may not be used stays focusable and says why, instead of vanishing or going mute. */
import { useId, type ComponentPropsWithRef, type MouseEvent, type ReactNode } from "react";
import { Icon, type IconName } from "./Icon";

export type ButtonVariant = "default" | "primary" | "ghost" | "danger" | "live";

export interface ButtonProps extends ComponentPropsWithRef<"button"> {
  variant?: ButtonVariant | undefined;
  size?: "sm" | "md" | "lg" | undefined;
  icon?: IconName | undefined;
  /** Makes it a toggle. */
  pressed?: boolean | undefined;
  /** Why it cannot be used now; a text disables it. */
  reason?: string | null | undefined;
  "data-testid"?: string | undefined;
  /** Something is on its way: no second press. */
  busy?: boolean | undefined;
}

function classes(variant: ButtonVariant, size: "sm" | "md" | "lg", more: string | undefined): string {
  return ["btn", variant === "default" ? "" : variant, size === "md" ? "" : size, more ?? ""].filter(Boolean).join(" ");
}

export function Button({
  variant = "default", size = "md", icon, pressed, reason, busy = false, className, children, onClick, title, ...rest
}: ButtonProps) {
  const reasonId = useId();
  const blocked = Boolean(reason) || busy;
  const press = (event: MouseEvent<HTMLButtonElement>) => {
    if (blocked) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    onClick?.(event);
  };
  return (
    <button
      type="button"
      {...rest}
      className={classes(variant, size, className)}
      title={reason ?? title}
      onClick={press}
      {...(pressed === undefined ? {} : { "aria-pressed": pressed })}
      {...(blocked ? { "aria-disabled": true } : {})}
      {...(busy ? { "aria-busy": true } : {})}
      {...(reason ? { "aria-describedby": reasonId } : {})}
    >
      {icon && <Icon name={icon} small />}
      {children}
      {reason && <span id={reasonId} hidden>{reason}</span>}
    </button>
  );
}

export interface IconButtonProps extends Omit<ButtonProps, "icon" | "children"> {
  icon: IconName;
  /** The accessible name, also shown on hover. */
  label: string;
}

export function IconButton({ icon, label, className, variant = "ghost", title, ...rest }: IconButtonProps) {
  return (
    <Button {...rest} variant={variant} icon={icon} aria-label={label} title={title ?? label}
      className={["icon", className ?? ""].filter(Boolean).join(" ")} />
  );
}

/** A row of toggles that belong together (aria role group). */
export function ButtonGroup({ label, children }: { label: string; children: ReactNode }) {
  return <div className="group" role="group" aria-label={label}>{children}</div>;
}
