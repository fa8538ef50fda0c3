/** The title and the icon of the tab carry the number of what waits for a person. */
import { effect } from "@preact/signals";

import { due } from "../state/home.ts";
import { words } from "../words.ts";

effect(() => {
  document.title = due.value > 0 ? `(${due.value}) ${words.name}` : words.name;
});
