/** The page begins here. */
import { render } from "preact";

import { signInFromAddress } from "./api/signin.ts";
import { placesAre } from "./router/router.ts";
import { isPlace } from "./shell/places.ts";
import { Shell } from "./shell/shell.tsx";
import "./shell/theme.ts";

void signInFromAddress(); // It removes what is secret from the address.
placesAre(isPlace);
const app = document.getElementById("app");
if (app !== null) render(<Shell />, app);
