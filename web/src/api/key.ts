/** The key that this page sends. localStorage is bound to the origin with its port, cookies are
 *  not. */
import { signal } from "@preact/signals";

const NAME = "drover.key";

function stored(): string | null {
  try {
    return localStorage.getItem(NAME);
  } catch {
    return null; // Storage is switched off: the key lives as long as the page.
  }
}

/** null: nobody is signed in. */
export const key = signal<string | null>(stored());

export function keySet(value: string | null): void {
  key.value = value;
  try {
    if (value === null) localStorage.removeItem(NAME);
    else localStorage.setItem(NAME, value);
  } catch {
    // As above.
  }
}

/** Another tab signed in or out. */
addEventListener("storage", (event) => {
  if (event.key === NAME || event.key === null) key.value = stored();
});
