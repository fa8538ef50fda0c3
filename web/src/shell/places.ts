/** The table of places: what the address means, and which of them the rail shows. A view adds its
 *  rows here. */
import { House, MessageSquare } from "lucide-preact";

import { Home } from "../home/home.tsx";
import type { Route } from "../router/routes.ts";
import { words } from "../words.ts";

export const ROUTES: readonly Route[] = [
  { path: "/", load: () => Promise.resolve(Home) },
  { path: "/sessions", load: () => import("../sessions/sessions.tsx").then((m) => m.Sessions) },
  { path: "/s/:id", load: () => import("../session/session.tsx").then((m) => m.Session) },
];

export interface Place {
  to: string; name: string; icon: typeof House; keys: string;
  /** Addresses below this one are of the place, too: `/s/`. */
  below?: string;
}

export const PLACES: readonly Place[] = [
  { to: "/", name: words.home, icon: House, keys: "g h" },
  { to: "/sessions", name: words.sessions, icon: MessageSquare, keys: "g s", below: "/s/" },
];
