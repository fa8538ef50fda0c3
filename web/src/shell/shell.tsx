/** The frame of every view: places, the view, the status line. */
import { useEffect } from "preact/hooks";

import { key } from "../api/key.ts";
import { home } from "../state/home.ts";
import { words } from "../words.ts";
import { Rail } from "./rail.tsx";
import { SignedOut } from "./signedout.tsx";
import { Status } from "./status.tsx";
import { View } from "./view.tsx";

export function Shell() {
  const waiting = home.value.overview?.waiting;
  const due = (waiting?.approvals.length ?? 0) + (waiting?.deliveries.length ?? 0);
  useEffect(() => {
    document.title = due > 0 ? `(${due}) ${words.name}` : words.name;
  }, [due]);
  return (
    <div class="app">
      <a class="skip" href="#main">{words.skip}</a>
      <Rail />
      <main id="main" tabIndex={-1}>{key.value === null ? <SignedOut /> : <View />}</main>
      <Status />
    </div>
  );
}
