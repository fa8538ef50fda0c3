/** A field that searches in a list (a combobox, as WAI-ARIA has it): what is typed filters, arrows
 *  and Enter choose, and Escape closes the list and nothing around it. */
import type { ComponentChildren } from "preact";
import { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { matching, type Choice } from "./choices.ts";
import { KeptContext } from "./kept.ts";
import { visible } from "./visible.ts";
import { words } from "./words.ts";

const SHOWN_MAX = 100;
const TAP_MS = 350;

export interface PickerProps {
  choices: readonly Choice[];
  /** Of the chosen one; another one that the caller gives later is chosen then, unless somebody is
   *  typing. */
  value?: string;
  /** Of the field in its form. */
  name?: string;
  id?: string;
  /** Where no label names it. */
  label?: string;
  /** What is typed counts, also where it is not listed. */
  free?: boolean;
  required?: boolean;
  invalid?: boolean;
  describedBy?: string;
  placeholder?: string;
  class?: string;
  pick?(value: string): void;
  typed?(text: string): void;
  /** The caller filters, and the list stays when something is picked, to be replaced by another. */
  walks?: { opened(): void; status: ComponentChildren; button: string };
}

export function Picker(props: PickerProps) {
  const { choices, value = "", name, label, free = false, required, invalid = false, pick, walks } =
    props;
  const own = useId(), id = props.id ?? own, list = `${own}-list`;
  const field = useRef<HTMLInputElement>(null), hidden = useRef<HTMLInputElement>(null);
  const place = useRef<HTMLDivElement>(null), told = useRef(false);
  const kept = useContext(KeptContext)[name ?? ""], was = useRef(value);
  const [chosen, chosenSet] = useState(kept ?? value);
  /** null: nothing was typed since the list was opened. */
  const [typed, typedSet] = useState<string | null>(null);
  const typedNow = useRef(typed);
  typedNow.current = typed;
  const [open, openSet] = useState(false), [at, atSet] = useState(-1);
  useEffect(() => {
    if (was.current !== value && typedNow.current === null) chosenSet(value);
    was.current = value;
  }, [value]);
  useLayoutEffect(() => { // A form hears of it as of what is typed, once its field has it.
    if (!told.current) return;
    (hidden.current ?? field.current)?.dispatchEvent(new Event("input", { bubbles: true }));
    told.current = false;
  }, [chosen]);
  const fit = walks !== undefined || typed === null ? choices : matching(choices, typed);
  const shown = open ? fit.slice(0, SHOWN_MAX) : [], active = shown[at];
  useEffect(() => {
    place.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at, open, shown.length]);

  useEffect(() => { // What is typed next replaces it.
    if (!free && !open && document.activeElement === field.current) field.current?.select();
  }, [open]);

  const close = (): void => {
    openSet(false);
    typedSet(null);
    atSet(-1);
  };
  const show = (): void => {
    if (open) return;
    walks?.opened();
    openSet(true);
    atSet(walks === undefined ? choices.findIndex((one) => one.value === chosen) : -1);
  };
  const take = (choice: Choice): void => {
    told.current = name !== undefined && choice.value !== chosen;
    chosenSet(choice.value);
    if (walks === undefined) close();
    else atSet(-1);
    pick?.(choice.value);
  };
  const type = (text: string): void => {
    if (told.current) return; // Ours.
    typedNow.current = text;
    typedSet(text);
    openSet(true);
    if (free) chosenSet(text);
    props.typed?.(text);
    const first = text !== "" && walks === undefined && matching(choices, text).length > 0;
    atSet(first ? 0 : -1);
  };
  const pressed = (event: KeyboardEvent): void => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1, last = shown.length - 1;
      if (!open) show();
      else atSet(at + step < 0 ? last : at + step > last ? 0 : at + step);
    } else if (event.key === "Enter" && active !== undefined) take(active);
    else if (event.key === "Escape" && open) {
      event.stopPropagation();
      close();
    } else return;
    event.preventDefault();
  };
  /** A list that closes moves what is below it: not between a press and its click, which a finger
   *  makes a moment after it has left. */
  const isPressed = useRef(false);
  useEffect(() => {
    if (!open) return undefined;
    const down = (): void => void (isPressed.current = true);
    const up = ({ pointerType }: Event & { pointerType?: string }): void => void setTimeout(() => {
      isPressed.current = false;
      if (!place.current?.contains(document.activeElement)) latest.current(null);
    }, pointerType === "mouse" ? 0 : TAP_MS);
    addEventListener("pointerdown", down, true);
    for (const type of ["pointerup", "pointercancel"]) addEventListener(type, up);
    return () => {
      removeEventListener("pointerdown", down, true);
      for (const type of ["pointerup", "pointercancel"]) removeEventListener(type, up);
    };
  }, [open]);
  const left = (to: EventTarget | null): void => {
    if (!open || isPressed.current || place.current?.contains(to as Node | null)) return;
    const same = free || typed === null ? undefined
      : choices.find(({ text }) => text.toLowerCase() === typed.trim().toLowerCase());
    if (same !== undefined) take(same);
    close();
  };
  const latest = useRef(left);
  latest.current = left;
  const textOf = choices.find((one) => one.value === chosen)?.text ?? chosen;
  const status = walks?.status ?? (shown.length === 0 && !free ? words.none
    : fit.length > shown.length ? words.more(fit.length - shown.length) : null);
  return (
    <div ref={place} class={`picker ${walks === undefined ? "" : "walks"}`}
      onFocusOut={({ relatedTarget }) => left(relatedTarget)}>
      {free || name === undefined ? null
        : <input ref={hidden} type="hidden" name={name} value={chosen} />}
      <input ref={field} id={id} type="text" role="combobox" aria-label={label} dir="auto"
        class={props.class} name={free ? name : undefined} required={required}
        aria-expanded={shown.length > 0} aria-controls={shown.length > 0 ? list : undefined}
        aria-autocomplete="list" aria-invalid={invalid || undefined}
        aria-describedby={props.describedBy} placeholder={props.placeholder}
        aria-activedescendant={active === undefined ? undefined : `${list}-${at}`}
        autocomplete="off" spellcheck={false}
        value={free ? chosen : typed ?? visible(textOf)}
        onFocus={({ currentTarget }) => !free && currentTarget.select()}
        onClick={() => walks === undefined && show()} onKeyDown={pressed}
        onInput={({ currentTarget }) => type(currentTarget.value)} />
      {walks === undefined ? null : (
        <button type="button" aria-expanded={open} onClick={() => {
          field.current?.focus();
          if (open) close();
          else show();
        }}>{walks.button}</button>
      )}
      {!open || (shown.length === 0 && status === null) ? null : (
        <div class="picks" onPointerDown={(event) => event.preventDefault()}>
          {shown.length === 0 ? null : (
            <div id={list} role="listbox" aria-label={words.choices}>
              {shown.map((one, n) => (
                <div key={one.value} role="presentation">
                  {one.group === undefined || one.group === shown[n - 1]?.group ? null
                    : <h2 role="presentation">{visible(one.group)}</h2>}
                  <div role="option" id={`${list}-${n}`} class="row option" dir="auto"
                    aria-selected={n === at} onPointerMove={() => atSet(n)}
                    onClick={() => take(one)}>
                    <span class="clip">{visible(one.text)}</span>
                    {one.about === undefined ? null : <span class="muted">{one.about}</span>}
                  </div>
                </div>
              ))}
            </div>
          )}
          {status === null ? null : <p class="muted small" role="status">{status}</p>}
        </div>
      )}
    </div>
  );
}
