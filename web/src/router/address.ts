/** The address of the page, and its history: all that the router knows of the browser. */
import { textOf } from "./panes.ts";

export const here = (): string => textOf(location);
export const push = (state: unknown, to: string): void => history.pushState(state, "", to);
export const replace = (state: unknown, to: string): void => history.replaceState(state, "", to);

/** The address of a link of ours; null: it is the browser's. */
export function placeOf(link: HTMLAnchorElement): string | null {
  if (link.origin !== location.origin || link.target !== "") return null;
  if (link.getAttribute("href")?.startsWith("#")) return null;
  return textOf(link);
}
