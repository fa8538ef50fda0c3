/** Sign-in: `drover open` prints a link whose secret stands in the fragment, which no server and no
 *  log sees. It is exchanged for a key once, and leaves the address first. */
import { signal } from "@preact/signals";

import { post, remove, type Problem } from "./api.ts";
import { keySet } from "./key.ts";

export const signingIn = signal(false);
export const signInProblem = signal<Problem | null>(null);

const LINK = /^#link=([\w.~-]{8,512})$/;

/** Before anything else looks at the address. */
export async function signInFromAddress(): Promise<void> {
  const link = LINK.exec(location.hash)?.[1];
  if (link === undefined) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  signingIn.value = true;
  const answer = await post<{ key: string }>("/login", { link });
  signingIn.value = false;
  if (answer.ok) keySet(answer.value.key);
  signInProblem.value = answer.ok ? null : answer.problem;
}

export async function signOut(): Promise<void> {
  await remove("/login"); // Gone here in any case.
  keySet(null);
}
