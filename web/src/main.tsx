/** The page begins here. */
import { render } from "preact";

import { signInFromAddress } from "./api/signin.ts";
import { Shell } from "./shell/shell.tsx";
import "./shell/theme.ts";

void signInFromAddress();
const app = document.getElementById("app");
if (app !== null) render(<Shell />, app);
