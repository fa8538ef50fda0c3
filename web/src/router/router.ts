/** Where the page is: a signal that follows the address. Places push; selection and filters
 *  replace, so that Back leads to the place before. */
import { computed, signal } from "@preact/signals";

const here = (): string => location.pathname + location.search + location.hash;
const href = signal(here());

export const path = computed(() => new URL(href.value, location.origin).pathname);
export const query = computed(() => new URL(href.value, location.origin).searchParams);
/** What stands after the #, without it: a message of a session. */
export const hash = computed(() => new URL(href.value, location.origin).hash.slice(1));

export function go(to: string): void {
  if (to !== href.value) history.pushState(null, "", to);
  href.value = to;
}

/** Another choice in the same place: Back leads to the place before. */
export function replace(to: string): void {
  href.value = to;
  history.replaceState(history.state, "", to);
}

/** null removes a parameter. */
export function setQuery(name: string, value: string | null): void {
  const url = new URL(href.value, location.origin);
  if (value === null) url.searchParams.delete(name);
  else url.searchParams.set(name, value);
  href.value = url.pathname + url.search + url.hash;
  history.replaceState(history.state, "", href.value);
}

/** "" removes what stands after the #. */
export function setHash(value: string): void {
  const url = new URL(href.value, location.origin);
  url.hash = value;
  href.value = url.pathname + url.search + url.hash;
  history.replaceState(history.state, "", href.value);
}

addEventListener("popstate", () => (href.value = here()));

/** Links of ours are places; those that the user opens elsewhere are the browser's. */
addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const held = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (link === null || held || event.button !== 0 || event.defaultPrevented) return;
  if (link.origin !== location.origin) return;
  if (link.target !== "" || link.getAttribute("href")?.startsWith("#")) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
});
