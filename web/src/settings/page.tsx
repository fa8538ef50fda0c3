/** What this browser keeps for itself: colours, shortcuts; and who is signed in. */
import { signOut } from "../api/signin.ts";
import { ThemeChoice } from "../shell/rail.tsx";
import { me } from "../state/me.ts";
import { Shortcuts } from "./shortcuts.tsx";
import { words } from "./words.ts";

export function ThisPage() {
  return (
    <>
      <section class="step">
        <ThemeChoice />
      </section>
      <section class="step">
        <Shortcuts />
      </section>
      <section class="step prose">
        <div class="head"><h2>{words.notifications}</h2></div>
        <p>{words.notificationsHow}</p>
      </section>
      <section class="step">
        <p>{words.signedIn(me.value?.owner ?? "", me.value?.scopes.join(", ") ?? "")}</p>
        <p><button onClick={() => void signOut()}>{words.signOut}</button></p>
      </section>
    </>
  );
}
