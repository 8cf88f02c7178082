/** Messages at the corner. Errors stay until dismissed, others go after six seconds of not being hovered or focused. */
import { createContext, use, useCallback, useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { Button, IconButton } from "./Button";
import { Icon, type IconName } from "./Icon";

export type ToastTone = "ok" | "info" | "warn" | "error";

export interface ToastAction {
  label: string;
  onPress: () => void;
}

export interface ToastMessage {
  tone: ToastTone;
  title: string;
  text?: ReactNode;
  actions?: readonly ToastAction[] | undefined;
}

interface Shown extends ToastMessage {
  id: number;
}

export const TOAST_SECONDS = 6;
const MOST = 5;

const Context = createContext<(message: ToastMessage) => void>(() => undefined);

/** A function that shows a message. */
export function useToast(): (message: ToastMessage) => void {
  return use(Context);
}

const icons: Record<ToastTone, IconName> = { ok: "check-circle", info: "info", warn: "warning", error: "error" };

function Toast({ message, onClose }: { message: Shown; onClose: (id: number) => void }) {
  const [held, setHeld] = useState(false);
  const { id, tone, title, text, actions } = message;
  useEffect(() => {
    if (tone === "error" || held) return;
    const timer = setTimeout(() => onClose(id), TOAST_SECONDS * 1000);
    return () => clearTimeout(timer);
  }, [tone, held, id, onClose]);
  return (
    <div className={`toast ${tone}`} role={tone === "error" ? "alert" : "status"} data-testid={`toast-${tone}`}
      onPointerEnter={() => setHeld(true)} onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)} onBlur={() => setHeld(false)}>
      <Icon name={icons[tone]} />
      <div>
        <b>{title}</b>
        {text && <p>{text}</p>}
        {actions && actions.length > 0 && (
          <div className="acts">
            {actions.map((action) => (
              <Button key={action.label} variant="ghost" size="sm" onClick={() => { action.onPress(); onClose(id); }}>{action.label}</Button>
            ))}
          </div>
        )}
      </div>
      <IconButton icon="close" size="sm" label={`Dismiss: ${title}`} onClick={() => onClose(id)} />
    </div>
  );
}

/** Around the app, once. */
export function ToastProvider({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState<Shown[]>([]);
  const next = useRef(0);
  const show = useCallback((message: ToastMessage) => {
    next.current += 1;
    const id = next.current;
    // The same failure of five requests is one message.
    setShown((before) => [
      ...before.filter((other) => other.title !== message.title || other.text !== message.text).slice(1 - MOST),
      { ...message, id },
    ]);
  }, []);
  const close = useCallback((id: number) => setShown((before) => before.filter((message) => message.id !== id)), []);
  const region = useMemo(() => (
    <section className="toasts" aria-label="Notifications" data-testid="toast-region">
      {shown.map((message) => <Toast key={message.id} message={message} onClose={close} />)}
    </section>
  ), [shown, close]);
  return (
    <Context value={show}>
      {children}
      {region}
    </Context>
  );
}
