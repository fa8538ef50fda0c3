/** On Home, as long as no model is connected. */
import { settings } from "../state/system.ts";
import { words } from "../words.ts";

export function Offer() {
  if (settings.value?.model !== null) return null; // Also as long as it is not known.
  return <p class="offer">{words.noModel} <a href="/welcome">{words.connectModel}</a></p>;
}
