/** Said only when it is late. */
import { useEffect, useState } from "preact/hooks";

import { words } from "../words.ts";

const LATE_MS = 150;

export function Loading() {
  const [late, lateSet] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => lateSet(true), LATE_MS);
    return () => clearTimeout(timer);
  }, []);
  return late ? <p class="page muted" role="status">{words.loading}</p> : null;
}
