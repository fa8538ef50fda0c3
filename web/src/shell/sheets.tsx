/** Sheets over the page: the palette, the list of shortcuts, and what a phone has no room for.
 *  Each is loaded when it is asked for. */
import { effect, signal } from "@preact/signals";
import type { ComponentType } from "preact";

import { key } from "../api/key.ts";
import { compare } from "./build.ts";

export type Sheet = "palette" | "beside" | "help" | "more";

/** The one that is open. */
export const sheet = signal<Sheet | null>(null);

interface SheetProps { onClose(): void }

const LOADS: Record<Sheet, () => Promise<ComponentType<SheetProps>>> = {
  palette: () => import("./palette/palette.tsx").then((m) => m.Palette),
  beside: () => import("./palette/palette.tsx").then((m) => m.Beside),
  help: () => import("./help.tsx").then((m) => m.Help),
  more: () => import("./more.tsx").then((m) => m.More),
};

const loaded = signal<Partial<Record<Sheet, ComponentType<SheetProps>>>>({});

effect(() => {
  const name = sheet.value;
  if (name === null || loaded.peek()[name] !== undefined) return;
  LOADS[name]().then(
    (component) => void (loaded.value = { ...loaded.peek(), [name]: component }),
    () => {
      sheet.value = null; // The next press loads it again.
      void compare(); // A newer daemon has no chunk of the page before it.
    });
});

export function Sheets() {
  const name = sheet.value;
  const Open = name === null || key.value === null ? undefined : loaded.value[name];
  const close = (): void => {
    if (sheet.peek() === name) sheet.value = null; // One may have opened the other.
  };
  return Open === undefined ? null : <Open key={name} onClose={close} />;
}
