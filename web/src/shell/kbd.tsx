/** Keys as they stand on the keyboard. */
import { capsOf } from "./bindings.ts";
import { keyOf, lives } from "./keys.ts";
import type { Name } from "./shortcuts.ts";

export const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

export const capsText = (key: string): string => capsOf(key, isMac).join(" ");

export function Caps({ of }: { of: string }) {
  return <>{capsOf(of, isMac).map((cap, at) => <kbd key={at}>{cap}</kbd>)}</>;
}

/** The hint in a button: the key that does the same now. None where no key does. It is drawn by
 *  the style: text in a button would belong to its name. */
export function Hint({ of }: { of: Name }) {
  const key = keyOf(of);
  return lives(key) ? <kbd data-cap={capsText(key)} /> : null;
}
