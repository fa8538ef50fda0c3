/** The table of places: what the address means, and which of them the rail shows. A view adds its
 *  rows here. */
import { House, Play, SquareTerminal } from "lucide-preact";

import { Home } from "../home/home.tsx";
import type { Route } from "../router/routes.ts";
import { words } from "../words.ts";

export const ROUTES: readonly Route[] = [
  { path: "/", load: () => Promise.resolve(Home) },
  { path: "/jobs", load: () => import("../jobs/jobs.tsx").then((m) => m.Jobs) },
  { path: "/terminals/:id?",
    load: () => import("../terminals/terminals.tsx").then((m) => m.Terminals) },
  { path: "/j/:id", load: () => import("../job/job.tsx").then((m) => m.Job) },
];

export interface Place { to: string; name: string; icon: typeof House; keys: string }

export const PLACES: readonly Place[] = [
  { to: "/", name: words.home, icon: House, keys: "g h" },
  { to: "/jobs", name: words.jobs, icon: Play, keys: "g j" },
  { to: "/terminals", name: words.terminals, icon: SquareTerminal, keys: "g t" },
];
