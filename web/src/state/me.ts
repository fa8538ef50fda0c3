/** Who is signed in, and what the key may do: nobody is shown a button that must not be pressed. */
import { signal } from "@preact/signals";

import { get } from "../api/api.ts";
import { key } from "../api/key.ts";
import type { Me } from "../api/types.ts";

export type Scope = "read" | "run" | "approve" | "admin";

/** null: nobody, or not known yet. */
export const me = signal<Me | null>(null);

export const may = (scope: Scope): boolean => me.value?.scopes.includes(scope) ?? false;

/** Asked with each new key, and again when a daemon that did not answer does. */
export async function meRead(): Promise<void> {
  const used = key.value;
  if (used === null || me.value !== null) return;
  const answer = await get<Me>("/login");
  if (answer.ok && key.value === used) me.value = answer.value;
}

key.subscribe(() => {
  me.value = null;
  void meRead();
});
