/** Whether the daemon does not answer, for longer than a cut that is worth no word: one line of the
 *  page says so, and what would grow or blink stands still. `live.ts` sets it. */
import { signal } from "@preact/signals";

export const away = signal(false);
