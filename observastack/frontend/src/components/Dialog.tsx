/** Dialogs on the native element: it traps the focus, returns it, and makes the page behind inert. */
import { useEffect, useId, useRef, type FormEvent, type ReactNode } from "react";
import { Button, IconButton, type ButtonVariant } from "./Button";

export interface DialogProps {
  open: boolean;
  onClose: () => void;
  title: ReactNode;
  children: ReactNode;
  /** Buttons at the foot. */
  footer?: ReactNode;
  wide?: boolean | undefined;
  /** While true, Esc and the close button do nothing: an answer is on its way. */
  busy?: boolean | undefined;
  /** Makes the content a form; Enter submits it. */
  onSubmit?: (() => void) | undefined;
  /** Without a close button: the dialog must be answered. */
  mustAnswer?: boolean | undefined;
  "data-testid"?: string | undefined;
}

export function Dialog({
  open, onClose, title, children, footer, wide = false, busy = false, onSubmit, mustAnswer = false, "data-testid": testId,
}: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  // Leaving the page with the dialog open must return the focus, too.
  useEffect(() => {
    const dialog = element.current;
    return () => { if (dialog?.open) dialog.close(); };
  }, []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!busy) onSubmit?.();
  };
  const content = (
    <>
      <div className="dlg-h">
        <h2 id={titleId}>{title}</h2>
        {!mustAnswer && (
          <span style={{ marginLeft: "auto" }}>
            <IconButton icon="close" label="Close" size="sm" onClick={() => { if (!busy) onClose(); }} />
          </span>
        )}
      </div>
      <div className="dlg-b">{children}</div>
      {footer && <div className="dlg-f">{footer}</div>}
    </>
  );
  return (
    <dialog ref={element} className={wide ? "wide" : undefined} aria-labelledby={titleId} data-testid={testId}
      onCancel={(event) => {
        event.preventDefault();
        if (!busy && !mustAnswer) onClose();
      }}
      onClose={() => { if (open) onClose(); }}>
      {open && (onSubmit ? <form onSubmit={submit} noValidate>{content}</form> : content)}
    </dialog>
  );
}

export interface ConfirmProps {
  open: boolean;
  title: ReactNode;
  children: ReactNode;
  action: string;
  tone?: ButtonVariant | undefined;
  busy?: boolean | undefined;
  onConfirm: () => void;
  onClose: () => void;
  "data-testid"?: string | undefined;
}

/** Asks before something that cannot be taken back. */
export function ConfirmDialog({
  open, title, children, action, tone = "primary", busy = false, onConfirm, onClose, "data-testid": testId,
}: ConfirmProps) {
  return (
    <Dialog open={open} onClose={onClose} title={title} busy={busy} data-testid={testId}
      footer={
        <>
          <Button onClick={onClose} data-testid={testId && `${testId}-cancel`}>Cancel</Button>
          <Button variant={tone} busy={busy} onClick={onConfirm} data-testid={testId && `${testId}-confirm`}>{action}</Button>
        </>
      }>
      {children}
    </Dialog>
  );
}
