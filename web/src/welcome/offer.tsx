/** On Home, as long as no model is connected. */
import { settings } from "../state/system.ts";
import { words } from "../words.ts";

export function Offer() {
  const model = settings.value?.model; // undefined: it is not known.
  if (model === undefined || (model !== null && !model.startsWith("scripted/"))) return null;
  return <p class="offer">{words.noModel} <a href="/welcome">{words.connectModel}</a></p>;
}
