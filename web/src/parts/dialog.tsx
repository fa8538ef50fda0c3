/** A modal dialog: the browser keeps the focus in it, ends it by Escape, and gives the focus
 *  back. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

interface DialogProps {
  label: string;
  name?: string;
  /** Ended in whatever way. The caller leaves it out of the page then. */
  onClose(): void;
  children: ComponentChildren;
}

/** Ends the dialog that an element is in: the focus is back before anything else happens. */
export const dialogEnd = (inside: Element): void => inside.closest("dialog")?.close();

export function Dialog({ label, name, onClose, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => ref.current?.showModal(), []);
  return (
    <dialog ref={ref} class={name} aria-label={label} onClose={onClose}
      onClick={(event) => event.target === ref.current && ref.current?.close()}>
      <div class="sheet">{children}</div>
    </dialog>
  );
}
