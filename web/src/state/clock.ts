/** The time of the page, once a second while it is visible: ages are drawn from it. */
import { signal } from "@preact/signals";

export const now = signal(Date.now());
setInterval(() => {
  if (document.visibilityState === "visible") now.value = Date.now();
}, 1000);
