/** The title and the icon of the tab carry the number of what waits for a person. */
import { effect } from "@preact/signals";

import { focused } from "../router/router.ts";
import { due } from "../state/home.ts";
import "../state/notify.ts";
import { words } from "../words.ts";

/** The mark of drover, with the number in it: "9+" is the longest. */
function iconOf(count: number): string {
  const text = count > 9 ? "9+" : String(count);
  const picture = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">
<rect width="16" height="16" rx="3" fill="#9A5B00"/><text x="8" y="12" text-anchor="middle"
 font-family="sans-serif" font-weight="700" font-size="${count > 9 ? 9 : 11}"
 fill="#fff">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(picture)}`;
}

const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
const plain = link?.href ?? "";

effect(() => {
  const { path, heading } = focused.value;
  const name = path.value === "/" || heading.value === "" ? "" : `${heading.value} · `;
  document.title = `${due.value > 0 ? `(${due.value}) ` : ""}${name}${words.name}`;
  const href = due.value > 0 ? iconOf(due.value) : plain;
  if (link !== null && link.href !== href) link.href = href;
});
