/** Notifications of the browser, of questions that come while nobody looks at the page. */
import { computed, signal } from "@preact/signals";

import type { Ask } from "../api/types.ts";
import { headline, origin } from "../ask/text.ts";
import { visible } from "../parts/visible.ts";
import { go } from "../router/router.ts";
import type { StreamEvent } from "../stream/index.ts";
import { isOpen } from "./asks.ts";
import { followOwner } from "./owner.ts";

const NAME = "drover.notify";

function stored(): boolean {
  try {
    return localStorage.getItem(NAME) === "on";
  } catch {
    return false;
  }
}

const wanted = signal(stored());
const permission = signal("Notification" in window ? Notification.permission : "missing");

export type Notifying = "insecure" | "missing" | "denied" | "off" | "on";
export const notifying = computed<Notifying>(() => {
  if (!isSecureContext) return "insecure";
  if (permission.value === "missing") return "missing";
  if (permission.value === "denied") return "denied";
  return permission.value === "granted" && wanted.value ? "on" : "off";
});

/** Asks the browser, which asks the person once. By a press of a button only. */
export async function notifySet(on: boolean): Promise<void> {
  if (on && permission.value === "default") {
    permission.value = await Notification.requestPermission();
  }
  wanted.value = on;
  try {
    localStorage.setItem(NAME, on ? "on" : "off");
  } catch {
    // Storage is switched off: the choice lives as long as the page.
  }
}

/** One of each question, of all tabs: a notification of the same tag replaces the former. */
function tell(ask: Ask): void {
  const body = `${visible(ask.step)}: ${headline(ask)}`;
  const notice = new Notification(origin(ask), { body, tag: ask.id });
  notice.onclick = () => {
    notice.close();
    window.focus();
    go(`/inbox/${ask.id}`);
  };
}

const SOME = 3; // More than that at a time would be noise: the title has the number.

followOwner({
  onReset: () => {},
  onEvents: (events: StreamEvent[]) => {
    if (!document.hidden || notifying.value !== "on") return;
    const asked = events.filter(({ type }) => type === "approval_changed")
      .map(({ data }) => data as Ask & { removed?: true; left_out?: true })
      .filter((row) => !row.removed && !row.left_out && isOpen(row));
    asked.slice(0, SOME).forEach(tell);
  },
});
