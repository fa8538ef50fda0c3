/** The time of the page, once a second while it is visible: ages are drawn from it. Without a
 *  daemon nobody knows whether what runs still does: they stand still. */
import { signal } from "@preact/signals";

import { away } from "./away.ts";

export const now = signal(Date.now());
/** Goes on without a daemon. */
export const ticks = signal(Date.now());
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  ticks.value = Date.now();
  if (!away.value) now.value = ticks.value;
}, 1000);
