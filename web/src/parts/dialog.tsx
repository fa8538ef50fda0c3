/** A modal dialog: the browser keeps the focus in it, ends it by Escape, and gives the focus
 *  back. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface DialogProps {
  label: string;
  name?: string;
  /** What a click beside it does. Where something is typed, it would be lost. Default: closes. */
  beside?: "closes" | "nothing";
  /** Ended in whatever way. The caller leaves it out of the page then. */
  onClose(): void;
  children: ComponentChildren;
}

/** Ends the dialog that an element is in: the focus is back, and `onClose` was called, before
 *  anything else happens. */
export const dialogEnd = (inside: Element): void =>
  void inside.closest("dialog")?.dispatchEvent(new Event("close"));

export function Dialog({ label, name, beside = "closes", onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  // A text that is selected from within to beyond the edge ends as a click on the dialog, too.
  const pressed = useRef(false);
  const isOver = useRef(false);
  useLayoutEffect(() => ref.current?.showModal(), []);
  /** The browser sends `close` some time after it has closed a dialog. Until then the dialog is
   *  invisible but still mounted, and a key that opens it again would be lost. */
  const end = (): void => {
    if (isOver.current) return;
    isOver.current = true;
    ref.current?.close();
    onClose();
  };
  return (
    <dialog ref={ref} class={name} aria-label={label} onClose={end}
      onCancel={(event) => event.target === ref.current && end()}
      onPointerDown={(event) => void (pressed.current = event.target === ref.current)}
      onClick={(event) => {
        const isBeside = pressed.current && event.target === ref.current;
        if (isBeside && beside === "closes") end();
      }}>
      <div class="sheet">{children}</div>
    </dialog>
  );
}

/** The end of every dialog: Cancel, and right of it what the dialog is for. */
export function Ends({ cancel, onCancel, children }: {
  cancel: string; onCancel?(): void; children?: ComponentChildren;
}) {
  return (
    <div class="buttons ends">
      <button type="button" onClick={(event) => {
        onCancel?.();
        dialogEnd(event.currentTarget);
      }}>{cancel}</button>
      {children}
    </div>
  );
}
