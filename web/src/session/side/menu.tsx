/** A button that opens a menu: arrows move, Escape closes, and the focus comes back. */
import { Ellipsis } from "lucide-preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface Choice { name: string; about?: string; run(): void }

export function Menu({ label, choices }: { label: string; choices: Choice[] }) {
  const [open, openSet] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const rows = () => [...box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? []];
  const close = () => {
    openSet(false);
    button.current?.focus();
  };
  useLayoutEffect(() => {
    if (!open) return undefined;
    rows()[0]?.focus();
    const outside = (event: Event) => {
      if (event.target instanceof Node && !box.current?.contains(event.target)) openSet(false);
    };
    addEventListener("pointerdown", outside);
    return () => removeEventListener("pointerdown", outside);
  }, [open]);
  const pressed = (event: KeyboardEvent) => {
    const all = rows(), at = all.findIndex((row) => row === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 };
    if (event.key === "Tab") openSet(false);
    else if (event.key === "Escape") close();
    else if (event.key in to) all[to[event.key as keyof typeof to] % all.length]?.focus();
    if (event.key === "Escape" || event.key in to) event.preventDefault();
  };
  if (choices.length === 0) return null;
  return (
    <div class="side-menu" ref={box} onKeyDown={open ? pressed : undefined}>
      <button class="quiet" ref={button} aria-haspopup="menu" aria-expanded={open}
        aria-controls={open ? id : undefined} aria-label={label} onClick={() => openSet(!open)}>
        <Ellipsis size={14} aria-hidden="true" />
      </button>
      {!open ? null : (
        <div role="menu" id={id} aria-label={label}>
          {choices.map(({ name, about, run }) => (
            <button key={name} role="menuitem" tabIndex={-1} onClick={() => {
              close();
              run();
            }}>
              {name}
              {about === undefined ? null : <span class="muted small">{about}</span>}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
