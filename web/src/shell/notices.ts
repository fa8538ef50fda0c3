/** The title and the icon of the tab carry the number of what waits for a person. */
import { effect } from "@preact/signals";

import { path } from "../router/router.ts";
import { due } from "../state/home.ts";
import { words } from "../words.ts";
import { heading } from "./heading.ts";

effect(() => {
  const name = path.value === "/" || heading.value === "" ? "" : `${heading.value} · `;
  document.title = `${due.value > 0 ? `(${due.value}) ` : ""}${name}${words.name}`;
});
