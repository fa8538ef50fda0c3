/** Whether the daemon serves other pages than this one: it was replaced by another version. */
import { effect, signal } from "@preact/signals";

import { link } from "../state/live.ts";

export const otherBuild = signal(false);

const SCRIPT = /<script type="module" src="([^"]+)"/;
const mine = document.querySelector('script[type="module"]')?.getAttribute("src");

/** The script of the page that is served now. undefined: the daemon does not answer. */
async function scriptServed(): Promise<string | undefined> {
  const text = await fetch("/", { cache: "no-store", credentials: "omit" })
    .then((answer) => (answer.ok ? answer.text() : ""), () => "");
  return SCRIPT.exec(text)?.[1];
}

/** Only what can be loaded takes the place of what is there. */
export async function loadAgain(): Promise<void> {
  if (await scriptServed() !== undefined) location.reload();
}

/** Names of assets are hashes of what they hold. */
export async function compare(): Promise<void> {
  const served = await scriptServed();
  if (served !== undefined && served !== mine) otherBuild.value = true;
}

let connected = false;
/** A page learns of it when it connects again. */
effect(() => {
  if (link.value?.phase !== "open") return;
  if (connected) void compare();
  connected = true;
});
