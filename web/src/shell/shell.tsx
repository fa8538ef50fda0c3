/** The frame of every view: places, the view, the status line. */
import { key } from "../api/key.ts";
import { words } from "../words.ts";
import "./notices.ts";
import { Rail } from "./rail.tsx";
import { SignedOut } from "./signedout.tsx";
import { Status } from "./status.tsx";
import { View } from "./view.tsx";

export function Shell() {
  return (
    <div class="app">
      <a class="skip" href="#main">{words.skip}</a>
      <Rail />
      <main id="main" tabIndex={-1}>{key.value === null ? <SignedOut /> : <View />}</main>
      <Status />
    </div>
  );
}
