/** What was typed in a form that is left by Escape stands there when it is opened again: in the
 *  storage of this tab, by the name of the form, until it is sent or cancelled. What a field for a
 *  secret holds is never kept. */
import { createContext, type RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

type Values = Readonly<Record<string, string>>;

/** For fields that hold their value themselves. */
export const KeptContext = createContext<Values>({});

const MAX = 64_000;
const nameOf = (form: string): string => `drover.form.${form}`;

function read(form: string): Values {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(nameOf(form)) ?? "{}");
    return Object.fromEntries(Object.entries(kept as object)
      .filter((one): one is [string, string] => typeof one[1] === "string"));
  } catch {
    return {}; // Damaged, or storage is switched off.
  }
}

function write(form: string, values: Values): void {
  const text = JSON.stringify(values);
  try {
    if (text === "{}" || text.length > MAX) sessionStorage.removeItem(nameOf(form));
    else sessionStorage.setItem(nameOf(form), text);
  } catch {
    // Full, or switched off: it lives as long as the form.
  }
}

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
const isFlag = (one: Control): one is HTMLInputElement => one.type === "checkbox";
const controlsOf = (form: HTMLFormElement): Control[] =>
  ([...form.elements] as Control[]).filter(({ tagName, name, type }) => name !== "" &&
    ["INPUT", "SELECT", "TEXTAREA"].includes(tagName) && !["password", "file"].includes(type));
const valueOf = (one: Control): string => (isFlag(one) ? (one.checked ? "on" : "") : one.value);

export function useKept(name: string): {
  form: RefObject<HTMLFormElement>; kept: Values; keep(): void; clear(): void;
} {
  const form = useRef<HTMLFormElement>(null), first = useRef<Values | null>(null);
  const [kept] = useState(() => read(name));
  useLayoutEffect(() => {
    if (form.current === null) return;
    for (const one of controlsOf(form.current)) {
      const value = kept[one.name];
      if (value === undefined || valueOf(one) === value) continue;
      if (isFlag(one)) one.checked = value === "on";
      else one.value = value;
      for (const type of ["input", "change"]) one.dispatchEvent(new Event(type, { bubbles: true }));
    }
    first.current = Object.fromEntries(controlsOf(form.current)
      .map((one) => [one.name, valueOf(one)]));
  }, []);
  const keep = (): void => {
    const before = first.current;
    if (before === null || form.current === null) return;
    write(name, Object.fromEntries(controlsOf(form.current)
      .map((one) => [one.name, valueOf(one)] as const)
      .filter(([of, value]) => of in kept || value !== (before[of] ?? ""))));
  };
  return { form, kept, keep, clear: () => write(name, {}) };
}
