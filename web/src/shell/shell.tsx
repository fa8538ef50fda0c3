/** The frame of every view: places, the view, the status line, and the shortcuts of all views. */
import { useRef } from "preact/hooks";

import { key } from "../api/key.ts";
// Small parts of several views. Beside the frame they are one chunk with it; each by itself would
// be found only after the view that needs it was read.
import "../parts/copy.tsx";
import "../parts/dialog.tsx";
import "../parts/rows.tsx";
import "../parts/save.ts";
import "../parts/search.tsx";
import "../parts/sheet.ts";
import "../parts/still.ts";
import "../parts/sure.tsx";
import "../parts/write.tsx";
import "../state/draft.ts";
import "../state/models.ts";
import "../state/projects.ts";
import { focused, go, openBeside, placeOf, seatOf, seats, several } from "../router/router.ts";
import { Banners } from "./banner.tsx";
import { useKeys } from "./keys.ts";
import "./notices.ts";
import { Panes, small } from "./panes/panes.tsx";
import { arranged, PLACES } from "./places.ts";
import { Rail } from "./rail.tsx";
import { sheet, Sheets, type Sheet } from "./sheets.tsx";
import { SignedOut } from "./signedout.tsx";
import { Status } from "./status.tsx";
import { words } from "./words.ts";

const { first, rest } = arranged(PLACES);
const show = (name: Sheet) => (): void => void (sheet.value = name);
const filter = (): void =>
  focused.peek().box?.querySelector<HTMLElement>("[data-filter]")?.focus();

/** The link or the row that has the focus; without one, what is chosen in the palette. */
function beside(): void {
  const from = document.activeElement;
  const link = from?.closest("a") ?? from?.closest("[data-row]")?.querySelector("a");
  const to = link == null ? null : placeOf(link);
  if (to === null) sheet.value = "beside";
  else openBeside(to, seatOf(from));
}

function Keys() {
  useKeys([
    { name: "find", always: true, run: show("palette") },
    { name: "help", run: show("help") },
    { name: "filter", run: filter },
    { name: "beside", run: beside },
    ...[...first, ...rest].map(({ to, keys }) => ({ name: keys, run: () => go(to) })),
  ]);
  return null;
}

export function Shell() {
  const main = useRef<HTMLElement>(null);
  const many = !several.value ? "" : small.value ? "as-tabs" : "many";
  const isIn = key.value !== null;
  return (
    <div class={seats.value.length > 3 ? "app full" : "app"}>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault(); // The address has a # of its own.
        main.current?.focus();
      }}>{words.skip}</a>
      <Rail />
      {isIn ? <Banners /> : null}
      <main id="main" class={many} ref={main} tabIndex={-1}>
        {isIn ? <Panes /> : <div class="view"><SignedOut /></div>}
      </main>
      <Status />
      {isIn ? <Keys /> : null}
      <Sheets />
    </div>
  );
}
