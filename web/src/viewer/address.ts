/** In place of `router/address.ts`: the place stands after the # of the file's own address. */
import { file } from "./file.ts";

export const here = (): string => {
  const to = location.hash.slice(1);
  return to.startsWith("/") ? to : `/r/${file.run.id}`;
};
export const push = (state: unknown, to: string): void => history.pushState(state, "", `#${to}`);
export const replace = (state: unknown, to: string): void =>
  history.replaceState(state, "", `#${to}`);

/** Links of the pages name places; all others are the browser's. */
export const placeOf = (link: HTMLAnchorElement): string | null => {
  const to = link.getAttribute("href") ?? "";
  return to.startsWith("/") ? to : null;
};
