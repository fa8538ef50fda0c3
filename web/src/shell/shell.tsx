/** The frame of every view: places, the view, the status line, and the shortcuts of all views. */
import { useEffect, useRef } from "preact/hooks";

import { key } from "../api/key.ts";
import { go } from "../router/router.ts";
import { Banners } from "./banner.tsx";
import { headingWatch } from "./heading.ts";
import { useKeys } from "./keys.ts";
import "./notices.ts";
import { arranged, PLACES } from "./places.ts";
import { Rail } from "./rail.tsx";
import { sheet, Sheets, type Sheet } from "./sheets.tsx";
import { SignedOut } from "./signedout.tsx";
import { Status } from "./status.tsx";
import { View } from "./view.tsx";
import { words } from "./words.ts";

const { first, rest } = arranged(PLACES);
const show = (name: Sheet) => (): void => void (sheet.value = name);
const filter = (): void => document.querySelector<HTMLElement>("main [data-filter]")?.focus();

function Keys() {
  useKeys([
    { name: "find", always: true, run: show("palette") },
    { name: "help", run: show("help") },
    { name: "filter", run: filter },
    ...[...first, ...rest].map(({ to, keys }) => ({ name: keys, run: () => go(to) })),
  ]);
  return null;
}

export function Shell() {
  const main = useRef<HTMLElement>(null);
  useEffect(() => (main.current === null ? undefined : headingWatch(main.current)), []);
  const isIn = key.value !== null;
  return (
    <div class="app">
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault(); // The address has a # of its own.
        main.current?.focus();
      }}>{words.skip}</a>
      <Rail />
      {isIn ? <Banners /> : null}
      <main id="main" ref={main} tabIndex={-1}>{isIn ? <View /> : <SignedOut />}</main>
      <Status />
      {isIn ? <Keys /> : null}
      <Sheets />
    </div>
  );
}
