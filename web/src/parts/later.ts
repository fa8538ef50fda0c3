/** A part of a view that its first picture does not wait for. */
import { useEffect, useState } from "preact/hooks";

/** null: it is loaded, or cannot be, as where the daemon has another build. */
export function useLater<T>(load: () => Promise<T>): T | null {
  const [known, knownSet] = useState<{ value: T } | null>(null);
  useEffect(() => void load().then((value) => knownSet({ value }), () => {}), []);
  return known === null ? null : known.value;
}
