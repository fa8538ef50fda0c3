/** The heading of a view: it names the tab, and gets the focus when somebody goes to a place. */
import { effect } from "@preact/signals";

import { focused, type Seat } from "../router/router.ts";
import { match } from "../router/routes.ts";
import { ROUTES } from "./places.ts";

/** Pure: a path without what is selected in its view, which is an optional value: `/inbox/:id?`. */
export function placeOf(at: string): string {
  const route = ROUTES.find((one) => match(one.path, at) !== null);
  if (route === undefined) return at;
  const optional = route.path.split("/").findIndex((part) => part.endsWith("?"));
  return optional < 0 ? at : at.split("/").slice(0, optional).join("/") || "/";
}

/** Until the returned function is called. A view that is loaded late gets the focus then, unless
 *  somebody has done something meanwhile. */
export function headingWatch(seat: Seat, box: HTMLElement): () => void {
  let place = placeOf(seat.path.peek());
  let focusDue = seat.isNew;
  seat.isNew = false;
  let frame = 0;
  const forget = (): void => void (focusDue = false);
  const look = (): void => {
    frame = 0;
    const h1 = box.querySelector("h1");
    seat.heading.value = h1?.textContent ?? "";
    if (h1 === null || !focusDue) return;
    focusDue = false;
    if (focused.peek() !== seat) return;
    h1.tabIndex = -1;
    h1.focus({ preventScroll: true });
  };
  const soon = (): void => void (frame ||= requestAnimationFrame(look));
  const observer = new MutationObserver(soon);
  observer.observe(box, { childList: true, subtree: true, characterData: true });
  const end = effect(() => {
    const now = placeOf(seat.path.value);
    if (now === place) return;
    place = now;
    box.scrollTop = 0; // Before the view is drawn, which may scroll to what it shows.
    focusDue = true;
    soon();
  });
  for (const type of ["keydown", "pointerdown"]) addEventListener(type, forget, true);
  look();
  return () => {
    end();
    observer.disconnect();
    cancelAnimationFrame(frame);
    for (const type of ["keydown", "pointerdown"]) removeEventListener(type, forget, true);
  };
}
