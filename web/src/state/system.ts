/** What belongs to the daemon and to no owner: settings, connections, the hold. */
import { effect, signal } from "@preact/signals";

import { get, post, type Answer } from "../api/api.ts";
import type { Hold, Settings, Version } from "../api/types.ts";
import type { StreamEvent } from "../stream/index.ts";
import { afterFirst } from "./first.ts";
import { latest } from "./latest.ts";
import { follow, link } from "./live.ts";
import { may, me } from "./me.ts";

/** null: not known yet. */
export const settings = signal<Settings | null>(null);
/** null: nothing is held, or not known. `about` is for admins. */
export const held = signal<{ about: Hold | null } | null>(null);

/** Jobs that may run at once; null: not known yet. */
export const slots = signal<number | null>(null);

const settingsBegun = latest(), holdBegun = latest();

export async function settingsRead(): Promise<void> {
  const counts = settingsBegun(), answer = await get<Settings>("/settings");
  if (answer.ok && me.value !== null && counts()) settings.value = answer.value;
}

export async function holdRead(): Promise<void> {
  const counts = holdBegun();
  const version = await get<Version>("/version");
  if (!version.ok) return;
  const about = version.value.held && may("admin") ? await get<Hold>("/system/hold") : null;
  if (!counts()) return; // A later read has said more.
  slots.value = version.value.jobs_max;
  held.value = version.value.held ? { about: about?.ok ? about.value : null } : null;
}

/** Whatever is held starts. */
export async function holdRelease(): Promise<Answer<unknown>> {
  const answer = await post<unknown>("/system/release", {});
  await holdRead();
  return answer;
}

function took({ type }: StreamEvent): void {
  if (type === "hold_changed") void holdRead();
  else if (type === "setting_changed" || type === "provider_changed") void settingsRead();
}

/** Other owners have no stream of the daemon: they read with each connection. */
effect(() => {
  if (me.value === null) {
    settings.value = null;
    held.value = slots.value = null;
    return undefined;
  }
  if (me.value.owner !== "local") return undefined;
  return follow("system", {
    onSnapshot: () => {},
    onEvents: (events) => events.forEach(took),
  });
});

effect(() => {
  if (me.value === null || link.value?.phase !== "open") return;
  afterFirst(() => {
    void settingsRead();
    void holdRead();
  });
});
