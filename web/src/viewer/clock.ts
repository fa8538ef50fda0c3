/** In place of `state/clock.ts`: in a file no time passes. */
import { signal } from "@preact/signals";

import { last_ms } from "./file.ts";

export const now = signal(last_ms);
