/** What the bar at the bottom of a phone has no room for. */
import { signOut } from "../api/signin.ts";
import { Dialog, dialogEnd } from "../parts/dialog.tsx";
import { arranged, PLACES } from "./places.ts";
import { PlaceLink, ThemeChoice } from "./rail.tsx";
import { sheet } from "./sheets.tsx";
import { words } from "./words.ts";

export function More({ onClose }: { onClose(): void }) {
  return (
    <Dialog label={words.moreName} name="bottom" onClose={onClose}>
      <nav class="places" aria-label={words.moreName}
        onClick={(event) => dialogEnd(event.currentTarget)}>
        <button class="row" onClick={() => (sheet.value = "palette")}>{words.find}</button>
        {arranged(PLACES).rest.map((place) => (
          <PlaceLink key={place.to} place={place} name="row" />
        ))}
      </nav>
      <ThemeChoice />
      <p class="foot">
        <button onClick={() => void signOut()}>{words.signOut}</button>
        <button class="end" onClick={(event) => dialogEnd(event.currentTarget)}>
          {words.close}
        </button>
      </p>
    </Dialog>
  );
}
